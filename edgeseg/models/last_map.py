"""Turn a backbone into the one map that a detector without a feature pyramid looks at, its last."""

from __future__ import annotations

from torch import Tensor, nn

from edgeseg.models.backbone import Backbone


class LastMap(nn.Module):
    """A backbone's last map, at which anchors lie and from which regions are pooled.

    Names of weights are the backbone's own.

    Args:
        body: whose parts follow each other, such as a MobileNet.

    Attributes:
        out_channels: of the map.
        strides: input pixels per cell, of the one map.
        pooled_levels: 1.
    """

    def __init__(self, body: Backbone) -> None:
        super().__init__()
        for name, part in body.named_children():
            self.add_module(name, part)
        self.out_channels = body.channels[-1]
        self.strides = (body.strides[-1],)
        self.pooled_levels = 1

    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn a normalised image (N, C, H, W) into a list of one map (N, out_channels, h, w)."""
        x = image
        for part in self.children():
            x = part(x)
        return [x]

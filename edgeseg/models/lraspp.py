"""LR-ASPP: turn an image into class scores by a fine map, and a coarse one weighed by the image as a whole.

The light head of Howard et al., "Searching for MobileNetV3", 2019, section 6.4. State-dict names are
torchvision's.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.backbone import Backbone, initialise_convolutions

FINE_STRIDE = 8


class LRASPPHead(nn.Module):
    """Scores of a fine map plus scores of a coarse one, each of whose channels has a weight in 0..1."""

    def __init__(self, fine_channels: int, coarse_channels: int, inner_channels: int, classes: int) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(coarse_channels, inner_channels, 1, bias=False),
            nn.BatchNorm2d(inner_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(coarse_channels, inner_channels, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier = nn.Conv2d(fine_channels, classes, 1)
        self.high_classifier = nn.Conv2d(inner_channels, classes, 1)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Score the classes of each cell of the fine map."""
        context = self.cbr(coarse) * self.scale(coarse)  # (N, inner, h, w) * (N, inner, 1, 1)
        context = F.interpolate(context, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.low_classifier(fine) + self.high_classifier(context)
        return logits


class LRASPP(nn.Module):
    """Backbone and head.

    Args:
        backbone: its last map gives the context, its map at stride 8 the detail.
        num_classes: channels of the logits, background included.
        inner_channels: of the context.
    """

    def __init__(self, backbone: Backbone, num_classes: int, *, inner_channels: int = 128) -> None:
        super().__init__()
        self.backbone = backbone
        self.fine = backbone.strides.index(FINE_STRIDE)
        self.classifier = LRASPPHead(
            backbone.channels[self.fine], backbone.channels[-1], inner_channels, num_classes
        )
        initialise_convolutions(self.classifier)

    def forward(self, image: Tensor) -> Tensor:
        """Turn a normalised image (N, C, H, W) into logits (N, num_classes, H/8, W/8)."""
        maps = self.backbone(image)
        logits: Tensor = self.classifier(maps[self.fine], maps[-1])
        return logits

"""Feature pyramids: turn a backbone's maps into maps of equal depth that know both what and where.

Lin et al., "Feature Pyramid Networks for Object Detection", 2017. Coarse maps know *what*, fine maps know
*where*: going from coarse to fine, each level adds the enlarged level above to its own map, brought to
`out_channels` by a 1x1 convolution; a 3x3 convolution then smooths the sum. One more level, the coarsest map
at every other cell ("pool"), serves the largest anchor boxes. State-dict names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.backbone import Backbone, NormLayer

FPN_CHANNELS = 256
POOL_STRIDE = 2  # of the extra level, over the coarsest one


class FeaturePyramid(nn.Module):
    """The top-down pathway with its lateral connections.

    Args:
        in_channels: of each backbone map, finest first.
        out_channels: of every pyramid map.
        norm_layer: normalisation after each convolution (torchvision's "v2" networks); None for biases alone.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = FPN_CHANNELS,
        *,
        norm_layer: NormLayer | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(_conv(c, out_channels, 1, norm_layer) for c in in_channels)
        self.layer_blocks = nn.ModuleList(
            _conv(out_channels, out_channels, 3, norm_layer) for _ in in_channels
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Turn the backbone's maps into as many pyramid maps of the same sizes, and the "pool" level.

        Args:
            maps: (N, in_channels[i], h_i, w_i), finest first.

        Returns:
            One (N, out_channels, h_i, w_i) a level, finest first, then the coarsest at every other cell.
        """
        laterals = [inner(m) for inner, m in zip(self.inner_blocks, maps, strict=True)]
        merged = [laterals[-1]]  # coarsest first
        for lateral in reversed(laterals[:-1]):
            enlarged = F.interpolate(merged[-1], size=lateral.shape[-2:], mode="nearest")
            merged.append(lateral + enlarged)
        levels = [smooth(m) for smooth, m in zip(self.layer_blocks, reversed(merged), strict=True)]
        pool = F.max_pool2d(levels[-1], kernel_size=1, stride=POOL_STRIDE)
        return [*levels, pool]


class BackboneWithFPN(nn.Module):
    """A backbone and the pyramid over its maps.

    Args:
        body: the backbone, such as `resnet50()`.
        out_channels: of every pyramid map.
        levels: which of the body's maps to use, by index, finest first; all of them by default.
        norm_layer: for the pyramid's own convolutions; None for biases alone.

    Attributes:
        out_channels: of every pyramid map.
        strides: input pixels per cell of each pyramid map, the "pool" level last.
        pooled_levels: how many of them regions are pooled from: all but the last, which serves anchors alone.
    """

    def __init__(
        self,
        body: Backbone,
        out_channels: int = FPN_CHANNELS,
        *,
        levels: Sequence[int] | None = None,
        norm_layer: NormLayer | None = None,
    ) -> None:
        super().__init__()
        self.levels = tuple(range(len(body.channels)) if levels is None else levels)
        self.body = body
        self.fpn = FeaturePyramid(
            [body.channels[i] for i in self.levels], out_channels, norm_layer=norm_layer
        )
        self.out_channels = out_channels
        strides = [body.strides[i] for i in self.levels]
        self.strides = (*strides, strides[-1] * POOL_STRIDE)
        self.pooled_levels = len(strides)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn a normalised image (N, 3, H, W) into P2, P3, .. and "pool", each (N, out_channels, h, w)."""
        maps = self.body(image)
        pyramid: list[Tensor] = self.fpn([maps[i] for i in self.levels])
        return pyramid


def _conv(in_channels: int, out_channels: int, kernel: int, norm_layer: NormLayer | None) -> nn.Sequential:
    """Make a size-preserving convolution, with a bias or a normalisation."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=norm_layer is None)
    nn.init.kaiming_uniform_(conv.weight, a=1)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return nn.Sequential(conv) if norm_layer is None else nn.Sequential(conv, norm_layer(out_channels))

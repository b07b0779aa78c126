"""U-Net as a backbone: turn an image into the maps of its expanding path, the coarsest first.

It is mmsegmentation's, by names and form: a map is interpolated (corners not aligned), narrowed by a 1x1
convolution with normalisation and ReLU, and joined behind the skip connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from edgeseg.models.backbone import initialise_convolutions
from edgeseg.models.decode_heads import ConvNorm

CONVOLUTIONS = 2  # a stage


class Convolutions(nn.Module):
    """3x3 convolutions, of which the first may halve the map."""

    def __init__(self, in_channels: int, out_channels: int, count: int, *, stride: int = 1) -> None:
        super().__init__()
        widths = [in_channels, *[out_channels] * count]
        self.convs = nn.Sequential(
            *(
                ConvNorm(c_in, c_out, 3, stride=1 if index else stride)
                for index, (c_in, c_out) in enumerate(pairwise(widths))
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, out_channels, h / stride, w / stride)."""
        return cast(Tensor, self.convs(x))


class Interpolated(nn.Module):
    """Double the map by interpolation, then narrow it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        double = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.interp_upsample = nn.Sequential(double, ConvNorm(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, out_channels, 2h, 2w)."""
        return cast(Tensor, self.interp_upsample(x))


class Joined(nn.Module):
    """Bring a map to the skip connection's size and channels, join both, and convolve.

    Args:
        doubles: whether the skip connection's map is twice as large; if not, the map is only narrowed.
    """

    def __init__(self, in_channels: int, out_channels: int, count: int, *, doubles: bool) -> None:
        super().__init__()
        self.conv_block = Convolutions(2 * out_channels, out_channels, count)
        self.upsample: nn.Module = (
            Interpolated(in_channels, out_channels) if doubles else ConvNorm(in_channels, out_channels, 1)
        )

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """Join (N, out_channels, h, w) with (N, in_channels, h / 2, w / 2)."""
        return cast(Tensor, self.conv_block(torch.cat([skip, self.upsample(x)], dim=1)))


class StageUNet(nn.Module):
    """All stages of both paths.

    Args:
        width: channels of the first stage; each doubles them.
        strides: of each stage's first convolution.
        pooled: whether a stage begins with 2x2 max-pooling; of the first one this has no effect.
        down_convolutions, up_convolutions: of each stage.
        in_channels: of the image.
    """

    def __init__(
        self,
        *,
        width: int,
        strides: Sequence[int],
        pooled: Sequence[bool],
        down_convolutions: Sequence[int],
        up_convolutions: Sequence[int],
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        channels = in_channels
        for level, (stride, pool) in enumerate(zip(strides, pooled, strict=True)):
            convolutions = Convolutions(channels, width << level, down_convolutions[level], stride=stride)
            begin = [nn.MaxPool2d(2)] if level and pool and stride == 1 else []
            self.encoder.append(nn.Sequential(*begin, convolutions))
            channels = width << level
            if level:
                doubles = stride != 1 or pool
                count = up_convolutions[level - 1]
                self.decoder.append(Joined(channels, channels // 2, count, doubles=doubles))
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn a normalised image (N, in_channels, H, W) into maps, the bottom's first, the finest last."""
        skips: list[Tensor] = []
        x = image
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        maps = [skips.pop()]
        for join, skip in zip(reversed(self.decoder), reversed(skips), strict=True):
            maps.append(join(skip, maps[-1]))
        return maps

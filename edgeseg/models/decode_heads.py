"""Decode heads: turn a backbone's maps into class scores, by names and in the form of mmsegmentation.

They differ from the paper's, and from torchvision's, in details that weights do not show: where a 3x3
convolution joins what a 1x1 does elsewhere, in which order maps are joined, and how maps are enlarged.
Auxiliary heads, used in training only, do not exist here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.backbone import initialise_convolutions

Maps = Sequence[Tensor]  # of a backbone


class ConvNorm(nn.Module):
    """A size-preserving convolution, batch normalisation and ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        dilation: int = 1,
        groups: int = 1,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, out_channels, h / stride, w / stride)."""
        return F.relu(self.bn(self.conv(x)))


class SeparableConvNorm(nn.Module):
    """A 3x3 convolution of each channel for itself, then 1x1 across them; each normalised, with ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise_conv = ConvNorm(in_channels, in_channels, 3, dilation=dilation, groups=in_channels)
        self.pointwise_conv = ConvNorm(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, out_channels, h, w)."""
        return cast(Tensor, self.pointwise_conv(self.depthwise_conv(x)))


class DecodeHead(nn.Module):
    """What every head has: a map among the backbone's, and the 1x1 convolution that scores.

    Args:
        channels: of the map that is scored.
        num_classes: channels of the scores.
        in_index: which of the backbone's maps the head takes; -1 is the last.
        align_corners: whether maps are enlarged so that the centres of their corners stay in place.
    """

    def __init__(
        self, channels: int, num_classes: int, *, in_index: int = -1, align_corners: bool = False
    ) -> None:
        super().__init__()
        self.in_index = in_index
        self.align_corners = align_corners
        self.conv_seg = nn.Conv2d(channels, num_classes, 1)

    def forward(self, maps: Maps) -> Tensor:
        """Score each cell, (N, num_classes, h, w)."""
        return cast(Tensor, self.conv_seg(self.features(maps[self.in_index], maps)))

    def features(self, x: Tensor, maps: Maps) -> Tensor:
        """Turn the head's own map into what is scored."""
        raise NotImplementedError

    def enlarged(self, x: Tensor, like: Tensor) -> Tensor:
        """Bring a map to another's size."""
        return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=self.align_corners)


class FCNHead(DecodeHead):
    """A few 3x3 convolutions (Long et al., "Fully Convolutional Networks", 2015).

    Args:
        convolutions: how many.
        kernel: of each.
        concatenate: join their result with what they were given, by one more.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        *,
        convolutions: int = 2,
        kernel: int = 3,
        concatenate: bool = True,
        in_index: int = -1,
        align_corners: bool = False,
    ) -> None:
        super().__init__(channels, num_classes, in_index=in_index, align_corners=align_corners)
        widths = [in_channels, *[channels] * convolutions]
        self.convs = nn.Sequential(*(ConvNorm(*pair, kernel) for pair in pairwise(widths)))
        self.conv_cat = ConvNorm(in_channels + channels, channels, kernel) if concatenate else None
        initialise_convolutions(self)

    def features(self, x: Tensor, maps: Maps) -> Tensor:
        """Convolve (N, in_channels, h, w) to (N, channels, h, w)."""
        y: Tensor = self.convs(x)
        return y if self.conv_cat is None else cast(Tensor, self.conv_cat(torch.cat([x, y], dim=1)))


class ASPPHead(DecodeHead):
    """Atrous spatial pyramid pooling, joined by a 3x3 convolution (Chen et al., DeepLabV3, 2017).

    Args:
        dilations: in cells, of a view each; 1 stands for a 1x1 convolution.
        separable: convolve each channel for itself in views with a dilation above 1.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        *,
        dilations: Sequence[int],
        separable: bool = False,
        in_index: int = -1,
        align_corners: bool = False,
    ) -> None:
        super().__init__(channels, num_classes, in_index=in_index, align_corners=align_corners)
        self.image_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvNorm(in_channels, channels, 1))
        self.aspp_modules = nn.ModuleList(
            ConvNorm(in_channels, channels, 1)
            if dilation == 1
            else SeparableConvNorm(in_channels, channels, dilation=dilation)
            if separable
            else ConvNorm(in_channels, channels, 3, dilation=dilation)
            for dilation in dilations
        )
        self.bottleneck = ConvNorm((len(dilations) + 1) * channels, channels, 3)
        initialise_convolutions(self)

    def features(self, x: Tensor, maps: Maps) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, channels, h, w); the whole image's view comes first."""
        whole = self.image_pool(x).expand(-1, -1, *x.shape[-2:])  # one cell, enlarged, is constant
        views = [whole, *(view(x) for view in self.aspp_modules)]
        return cast(Tensor, self.bottleneck(torch.cat(views, dim=1)))


class SeparableASPPHead(ASPPHead):
    """ASPP, joined with the backbone's first map by separable convolutions (Chen et al., DeepLabV3+, 2018).

    Args:
        fine_in_channels, fine_channels: of the first map, as it is and narrowed.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        *,
        dilations: Sequence[int],
        fine_in_channels: int,
        fine_channels: int,
        align_corners: bool = False,
    ) -> None:
        super().__init__(
            in_channels,
            channels,
            num_classes,
            dilations=dilations,
            separable=True,
            align_corners=align_corners,
        )
        self.c1_bottleneck = ConvNorm(fine_in_channels, fine_channels, 1)
        self.sep_bottleneck = nn.Sequential(
            SeparableConvNorm(channels + fine_channels, channels), SeparableConvNorm(channels, channels)
        )
        initialise_convolutions(self)

    def features(self, x: Tensor, maps: Maps) -> Tensor:
        """Turn the last map and the first into (N, channels, h, w) of the first's size; context first."""
        fine = self.c1_bottleneck(maps[0])
        context = self.enlarged(super().features(x, maps), fine)
        return cast(Tensor, self.sep_bottleneck(torch.cat([context, fine], dim=1)))


class PSPHead(DecodeHead):
    """Means over the parts of grids of several sizes, joined with the map (Zhao et al., PSPNet, 2017).

    Args:
        scales: cells a side of each grid.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        *,
        scales: Sequence[int],
        in_index: int = -1,
        align_corners: bool = False,
    ) -> None:
        super().__init__(channels, num_classes, in_index=in_index, align_corners=align_corners)
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvNorm(in_channels, channels, 1)) for scale in scales
        )
        self.bottleneck = ConvNorm(in_channels + len(scales) * channels, channels, 3)
        initialise_convolutions(self)

    def features(self, x: Tensor, maps: Maps) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, channels, h, w)."""
        means = [self.enlarged(pool(x), x) for pool in self.psp_modules]
        return cast(Tensor, self.bottleneck(torch.cat([x, *means], dim=1)))


class EncoderDecoder(nn.Module):
    """A backbone and a decode head.

    Args:
        backbone: gives a sequence of maps.
        decode_head: scores them.
    """

    def __init__(self, backbone: nn.Module, decode_head: DecodeHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.decode_head = decode_head

    def forward(self, image: Tensor) -> Tensor:
        """Turn a normalised image (N, 3, H, W) into logits: at the head's own stride, or the image's size.

        With aligned corners they are enlarged here: elsewhere, nobody does it so.
        """
        logits: Tensor = self.decode_head(self.backbone(image))
        return self.decode_head.enlarged(logits, image) if self.decode_head.align_corners else logits

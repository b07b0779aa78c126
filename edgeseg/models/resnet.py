"""Residual networks: turn an image into four feature maps C2..C5, at strides 4, 8, 16 and 32.

He et al., "Deep Residual Learning for Image Recognition", 2015. A block computes `relu(x + f(x))`, so that a
stage learns a correction to its input. Stages 2 to 4 begin by halving the map; with *atrous* convolution
(Chen et al., DeepLab, 2017) a stage keeps its resolution and spreads its kernels instead, so that each still
sees what it would have seen. State-dict names are torchvision's, without the classifier `fc`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from edgeseg.models.backbone import Backbone, NormLayer, initialise_convolutions

STEM_WIDTH = 64  # channels after the first convolution, in the paper's networks
STEM_STRIDE = 4  # the stem convolution halves the image, its max-pool halves it again
STAGE_STRIDES = (1, 2, 2, 2)
BOTTLENECK_EXPANSION = 4


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; the block of ResNet-18 and ResNet-34."""

    expansion = 1

    def __init__(
        self, in_channels: int, width: int, *, stride: int, dilation: int, norm_layer: NormLayer
    ) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, stride, dilation)
        self.bn1 = norm_layer(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(width, width, 1, dilation)
        self.bn2 = norm_layer(width)
        self.downsample = _projection(in_channels, width * self.expansion, stride, norm_layer)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, width, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        out: Tensor = self.relu(y + shortcut)
        return out


class OnceDilatedBlock(BasicBlock):
    """A basic block whose second convolution is never dilated, as mmsegmentation has it."""

    def __init__(
        self, in_channels: int, width: int, *, stride: int, dilation: int, norm_layer: NormLayer
    ) -> None:
        super().__init__(in_channels, width, stride=stride, dilation=dilation, norm_layer=norm_layer)
        self.conv2 = _conv3x3(width, width, 1, 1)


class Bottleneck(nn.Module):
    """1x1, 3x3, and 1x1 to four times `width` channels; the block of ResNet-50 and ResNet-101.

    Args:
        in_channels: of the map before.
        width: channels between the convolutions; with groups, of all groups together at ResNeXt's widths.
        stride: in the 3x3 convolution ("ResNet v1.5", as in torchvision).
        dilation: of the 3x3 convolution.
        norm_layer: makes the normalisation after each convolution.
        groups: of the 3x3 convolution (ResNeXt, Xie et al. 2017).
        width_per_group: channels of a group where the stem has 64.
        stride_in_1x1: the stride is in the first convolution, as in the paper and its caffe weights.
    """

    expansion = BOTTLENECK_EXPANSION

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int,
        dilation: int,
        norm_layer: NormLayer,
        groups: int = 1,
        width_per_group: int = STEM_WIDTH,
        stride_in_1x1: bool = False,
    ) -> None:
        super().__init__()
        out_channels = width * self.expansion
        inner = width * width_per_group // STEM_WIDTH * groups
        first_stride, middle_stride = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, stride=first_stride, bias=False)
        self.bn1 = norm_layer(inner)
        self.conv2 = _conv3x3(inner, inner, middle_stride, dilation, groups)
        self.bn2 = norm_layer(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.bn3 = norm_layer(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels, stride, norm_layer)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, 4 * width, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        out: Tensor = self.relu(y + shortcut)
        return out


class ResNet(Backbone):
    """The stem and four stages of residual blocks.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: number of blocks in each of the four stages.
        width: channels of the stem; stage i works at `width * 2**i` (a bottleneck returns four times that).
        widest: channels that no stage works at more than; None for no limit.
        replace_stride_with_dilation: whether stages 2, 3 and 4 keep their resolution and dilate.
        norm_layer: makes the normalisation after each convolution.
        deep_stem: three 3x3 convolutions in the place of the first, of 7x7 ("ResNet-C", He et al., "Bag of
            Tricks", 2018); they are called `stem`, as in mmsegmentation.
        in_channels: of the image.
        block_parameters: further arguments of every `Bottleneck`, such as `groups`.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        *,
        width: int = STEM_WIDTH,
        widest: int | None = None,
        replace_stride_with_dilation: Sequence[bool] = (False, False, False),
        norm_layer: NormLayer = nn.BatchNorm2d,
        deep_stem: bool = False,
        in_channels: int = 3,
        **block_parameters: Any,
    ) -> None:
        super().__init__()
        make_block: Callable[..., nn.Module] = partial(block, norm_layer=norm_layer, **block_parameters)
        self.deep_stem = deep_stem
        if deep_stem:
            self.stem = _deep_stem(in_channels, width, norm_layer)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
            self.bn1 = norm_layer(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

        stages: list[nn.Module] = []
        channels: list[int] = []
        strides: list[int] = []
        total_stride, dilation = STEM_STRIDE, 1
        keep_resolution = (False, *replace_stride_with_dilation)
        for i, (blocks, stride, dilate) in enumerate(
            zip(layers, STAGE_STRIDES, keep_resolution, strict=True)
        ):
            stage_width = width << i if widest is None else min(width << i, widest)
            # The stage's first block still sees the finer grid of the stage before: it keeps that dilation.
            first_dilation = dilation
            if dilate:
                dilation *= stride
            first_stride = 1 if dilate else stride
            before = channels[-1] if channels else width
            first = make_block(before, stage_width, stride=first_stride, dilation=first_dilation)
            after = stage_width * block.expansion
            rest = [make_block(after, stage_width, stride=1, dilation=dilation) for _ in range(blocks - 1)]
            total_stride *= first_stride
            stages.append(nn.Sequential(first, *rest))
            channels.append(after)
            strides.append(total_stride)

        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.channels = tuple(channels)
        self.strides = tuple(strides)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Turn a normalised image (N, in_channels, H, W) into the maps C2, C3, C4, C5."""
        x = self.stem(image) if self.deep_stem else self.relu(self.bn1(self.conv1(image)))
        x = self.maxpool(x)  # (N, width, H/4, W/4)
        c2 = self.layer1(x)
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        c5 = self.layer4(c4)
        return c2, c3, c4, c5


resnet18 = partial(ResNet, BasicBlock, (2, 2, 2, 2))
resnet34 = partial(ResNet, BasicBlock, (3, 4, 6, 3))
resnet50 = partial(ResNet, Bottleneck, (3, 4, 6, 3))
resnet101 = partial(ResNet, Bottleneck, (3, 4, 23, 3))


def _deep_stem(in_channels: int, width: int, norm_layer: NormLayer) -> nn.Sequential:
    layers: list[nn.Module] = []
    narrow = width // 2
    for c_in, c_out, stride in ((in_channels, narrow, 2), (narrow, narrow, 1), (narrow, width, 1)):
        layers += [_conv3x3(c_in, c_out, stride, 1), norm_layer(c_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        out_channels,
        3,
        stride=stride,
        padding=dilation,
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def _projection(
    in_channels: int, out_channels: int, stride: int, norm_layer: NormLayer
) -> nn.Sequential | None:
    """Make the shortcut's own 1x1 convolution, where the block changes the map's size or channels."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), norm_layer(out_channels)
    )

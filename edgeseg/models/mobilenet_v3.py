"""MobileNetV3: turn an image into feature maps at strides 2 to 32, with few multiplications.

Howard et al., "Searching for MobileNetV3", 2019. Its block is the *inverted residual*: a 1x1 convolution
widens the map, a depthwise convolution (one kernel a channel) looks around, squeeze-and-excitation may weigh
the channels by what the whole image holds, and a 1x1 convolution narrows the map again. State-dict names are
torchvision's `features.*`, without that prefix and without the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from edgeseg.models.backbone import NormLayer, NumberedBackbone, Stage

CHANNEL_MULTIPLE = 8  # widths are rounded to it, as vector units like
LARGEST_ROUNDING_LOSS = 0.1  # rounding may take away this share of the channels at most
SQUEEZE_RATIO = 4
LAST_EXPANSION = 6  # channels of the last convolution over those of the last block

imagenet_batch_norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
"""Batch normalisation as the published classifier and DeepLab weights were trained with."""


class Block(NamedTuple):
    """One row of the paper's table 1 or 2, at width 1."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool  # has squeeze-and-excitation
    hard_swish: bool  # else ReLU
    stride: int


STEM_CHANNELS = 16
LARGE = (
    Block(3, 16, 16, False, False, 1),
    Block(3, 64, 24, False, False, 2),
    Block(3, 72, 24, False, False, 1),
    Block(5, 72, 40, True, False, 2),
    Block(5, 120, 40, True, False, 1),
    Block(5, 120, 40, True, False, 1),
    Block(3, 240, 80, False, True, 2),
    Block(3, 200, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 480, 112, True, True, 1),
    Block(3, 672, 112, True, True, 1),
    Block(5, 672, 160, True, True, 2),
    Block(5, 960, 160, True, True, 1),
    Block(5, 960, 160, True, True, 1),
)
SMALL = (
    Block(3, 16, 16, True, False, 2),
    Block(3, 72, 24, False, False, 2),
    Block(3, 88, 24, False, False, 1),
    Block(5, 96, 40, True, True, 2),
    Block(5, 240, 40, True, True, 1),
    Block(5, 240, 40, True, True, 1),
    Block(5, 120, 48, True, True, 1),
    Block(5, 144, 48, True, True, 1),
    Block(5, 288, 96, True, True, 2),
    Block(5, 576, 96, True, True, 1),
    Block(5, 576, 96, True, True, 1),
)
DILATED_BLOCKS = 3  # the last ones: in them the dilated network keeps stride 16


class ConvNormActivation(nn.Sequential):
    """A size-preserving (or halving) convolution, its normalisation and its activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        norm_layer: NormLayer,
        activation: type[nn.Module] | None,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=(kernel - 1) // 2 * dilation,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        norm = norm_layer(out_channels)
        super().__init__(*([conv, norm] if activation is None else [conv, norm, activation()]))


class SqueezeExcitation(nn.Module):
    """Weigh each channel by a factor in [0, 1] that depends on the whole map (Hu et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = round_channels(channels // SQUEEZE_RATIO)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = nn.ReLU()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Weigh (N, C, h, w) channel by channel."""
        scale: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return scale * x  # (N, C, 1, 1) * (N, C, h, w)


class InvertedResidual(nn.Module):
    """Widen, look around channel by channel, weigh, narrow; and add the input where sizes agree.

    Args:
        in_channels: of the input, already scaled by the network's width.
        row: the block's row in the table.
        width: multiplies the row's channels.
        dilation: above 1 it spreads the depthwise kernel and replaces the row's stride.
        norm_layer: makes the normalisation after each convolution.
    """

    def __init__(
        self, in_channels: int, row: Block, *, width: float, dilation: int, norm_layer: NormLayer
    ) -> None:
        super().__init__()
        expanded, out_channels = round_channels(row.expanded * width), round_channels(row.out * width)
        activation = nn.Hardswish if row.hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(ConvNormActivation(in_channels, expanded, 1, norm_layer, activation))
        layers.append(
            ConvNormActivation(
                expanded,
                expanded,
                row.kernel,
                norm_layer,
                activation,
                stride=row.stride if dilation == 1 else 1,
                dilation=dilation,
                groups=expanded,
            )
        )
        if row.squeeze:
            layers.append(SqueezeExcitation(expanded))
        layers.append(ConvNormActivation(expanded, out_channels, 1, norm_layer, None))
        self.block = nn.Sequential(*layers)
        self.has_shortcut = row.stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, row.out * width, h / stride, w / stride)."""
        y: Tensor = self.block(x)
        return x + y if self.has_shortcut else y


class MobileNetV3(NumberedBackbone):
    """The convolutions of a MobileNetV3, numbered from 0 (stem) to the last 1x1 as in torchvision.

    Returns the maps torchvision calls stages: after the stem, after each block that halves the map, and after
    the last convolution.

    Args:
        rows: of the paper's table.
        width: multiplies every width of the paper's table; results are rounded to multiples of 8.
        dilated: keep stride 16 in the last three blocks and dilate them, for DeepLab.
        norm_layer: makes the normalisation after each convolution.
        in_channels: of the image.
    """

    def __init__(
        self,
        rows: Sequence[Block],
        *,
        width: float = 1.0,
        dilated: bool = False,
        norm_layer: NormLayer = imagenet_batch_norm,
        in_channels: int = 3,
    ) -> None:
        before, stride = round_channels(STEM_CHANNELS * width), 2
        layers: list[nn.Module] = [
            ConvNormActivation(in_channels, before, 3, norm_layer, nn.Hardswish, stride=stride)
        ]
        stages = [Stage(0, before, stride)]
        for index, row in enumerate(rows):
            dilation = 2 if dilated and index >= len(rows) - DILATED_BLOCKS else 1
            layers.append(
                InvertedResidual(before, row, width=width, dilation=dilation, norm_layer=norm_layer)
            )
            before = round_channels(row.out * width)
            if row.stride > 1:
                stride *= row.stride if dilation == 1 else 1
                stages.append(Stage(len(layers) - 1, before, stride))
        out_channels = LAST_EXPANSION * before
        layers.append(ConvNormActivation(before, out_channels, 1, norm_layer, nn.Hardswish))
        stages.append(Stage(len(layers) - 1, out_channels, stride))
        super().__init__(layers, stages)


class MobileNetV3Large(MobileNetV3):
    """MobileNetV3-Large; its maps have 16, 24, 40, 80, 160 and 960 channels at width 1."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(LARGE, **parameters)


class MobileNetV3Small(MobileNetV3):
    """MobileNetV3-Small; its maps have 16, 16, 24, 40, 96 and 576 channels at width 1."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(SMALL, **parameters)


def round_channels(channels: float) -> int:
    """Round to the nearest multiple of 8, upwards where more than a tenth would be lost; at least 8."""
    rounded = max(
        CHANNEL_MULTIPLE, int(channels + CHANNEL_MULTIPLE / 2) // CHANNEL_MULTIPLE * CHANNEL_MULTIPLE
    )
    if rounded < (1 - LARGEST_ROUNDING_LOSS) * channels:
        rounded += CHANNEL_MULTIPLE
    return rounded

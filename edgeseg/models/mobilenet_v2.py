"""MobileNetV2: turn an image into feature maps at strides 2 to 32, with few multiplications.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018. Its block widens the map by a
1x1 convolution, looks around channel by channel, and narrows it again, without an activation at the end.
State-dict names are torchvision's `features.*`, without that prefix and without the classifier.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from edgeseg.models.backbone import NormLayer, NumberedBackbone, Stage
from edgeseg.models.mobilenet_v3 import ConvNormActivation

STEM_CHANNELS = 32
LAST_CHANNELS = 1280


class Blocks(NamedTuple):
    """One row of table 2 in the paper."""

    expansion: int
    out: int
    repeats: int
    stride: int  # of the first of them


TABLE = (
    Blocks(1, 16, 1, 1),
    Blocks(6, 24, 2, 2),
    Blocks(6, 32, 3, 2),
    Blocks(6, 64, 4, 2),
    Blocks(6, 96, 3, 1),
    Blocks(6, 160, 3, 2),
    Blocks(6, 320, 1, 1),
)


class LinearBottleneck(nn.Module):
    """Widen, look around channel by channel, narrow; and add the input where sizes agree."""

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, expansion: int, norm_layer: NormLayer
    ) -> None:
        super().__init__()
        wide = in_channels * expansion
        widen = [ConvNormActivation(in_channels, wide, 1, norm_layer, nn.ReLU6)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *widen,
            ConvNormActivation(wide, wide, 3, norm_layer, nn.ReLU6, stride=stride, groups=wide),
            nn.Conv2d(wide, out_channels, 1, bias=False),
            norm_layer(out_channels),
        )
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, out_channels, h / stride, w / stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.has_shortcut else y


class MobileNetV2(NumberedBackbone):
    """The convolutions of MobileNetV2, numbered 0 (stem) to 18 (last 1x1) as in torchvision.

    Returns the maps torchvision calls stages: after the stem, after each block that halves the map, and after
    the last convolution, with 32, 24, 32, 64, 160 and 1280 channels.

    Args:
        norm_layer: makes the normalisation after each convolution.
        in_channels: of the image.
    """

    def __init__(self, *, norm_layer: NormLayer = nn.BatchNorm2d, in_channels: int = 3) -> None:
        before, stride = STEM_CHANNELS, 2
        layers: list[nn.Module] = [
            ConvNormActivation(in_channels, before, 3, norm_layer, nn.ReLU6, stride=stride)
        ]
        stages = [Stage(0, before, stride)]
        for row in TABLE:
            for repeat in range(row.repeats):
                own = row.stride if repeat == 0 else 1
                layers.append(
                    LinearBottleneck(
                        before, row.out, stride=own, expansion=row.expansion, norm_layer=norm_layer
                    )
                )
                before, stride = row.out, stride * own
                if own > 1:
                    stages.append(Stage(len(layers) - 1, before, stride))
        layers.append(ConvNormActivation(before, LAST_CHANNELS, 1, norm_layer, nn.ReLU6))
        stages.append(Stage(len(layers) - 1, LAST_CHANNELS, stride))
        super().__init__(layers, stages)

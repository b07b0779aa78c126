"""DeepLab: turn an image into class scores by looking at a fine feature map through several fields of view.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017 (DeepLabV3), and
"Encoder-Decoder with Atrous Separable Convolution", 2018 (DeepLabV3+).

A backbone whose late stages dilate their kernels instead of halving the map keeps stride 8 or 16. Atrous
spatial pyramid pooling (ASPP) then asks, at each cell, for a context of five sizes. V3 classifies its answer;
V3+ enlarges it to stride 4 and joins it with an early, fine map first, which sharpens the outlines.

State-dict names of V3 are torchvision's; those of V3+ are VainF/DeepLabV3Plus-Pytorch's. Auxiliary
classifiers, used in training only, do not exist here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import UsageError
from edgeseg.models.backbone import Backbone, initialise_convolutions
from edgeseg.models.mobilenet_v3 import MobileNetV3Large
from edgeseg.models.resnet import ResNet, resnet18, resnet34, resnet50, resnet101

ASPP_CHANNELS = 256
LOW_LEVEL_CHANNELS = 48  # of the fine map V3+ joins in: few, so that it does not drown the context
LOW_LEVEL_STRIDE = 4
ATROUS_RATES_STRIDE_16 = (6, 12, 18)
ATROUS_RATES_STRIDE_8 = (12, 24, 36)  # the same fields of view on a map twice as fine
DROPOUT = 0.1
VOC_CLASSES = 21  # of the published weights: PASCAL VOC's twenty, and background

RESNETS: dict[str, Callable[..., ResNet]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
}
DILATED_STAGES = {32: (False, False, False), 16: (False, False, True), 8: (False, True, True)}
PLUS_RATES = {32: ATROUS_RATES_STRIDE_16, 16: ATROUS_RATES_STRIDE_16, 8: ATROUS_RATES_STRIDE_8}


class ImagePooling(nn.Sequential):
    """Summarise the whole map in one cell and hand that to every cell."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *_conv_norm_relu(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, out_channels, h, w), the same in every cell."""
        summary = x
        for layer in self:
            summary = layer(summary)  # (N, out_channels, 1, 1) in the end
        return summary.expand(-1, -1, x.shape[-2], x.shape[-1])  # one cell, interpolated, is constant


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: five views of each cell, joined by a 1x1 convolution.

    The views are a 1x1 convolution, three 3x3 convolutions whose taps are `rates` cells apart, and the mean
    over the image.

    Args:
        in_channels: of the backbone's last map.
        rates: distance between taps, in cells.
        channels: of each view and of the result.
    """

    def __init__(
        self, in_channels: int, rates: Sequence[int] = ATROUS_RATES_STRIDE_8, channels: int = ASPP_CHANNELS
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*_conv_norm_relu(in_channels, channels, 1)),
                *(nn.Sequential(*_conv_norm_relu(in_channels, channels, 3, rate)) for rate in rates),
                ImagePooling(in_channels, channels),
            ]
        )
        self.project = nn.Sequential(
            *_conv_norm_relu(len(self.convs) * channels, channels, 1), nn.Dropout(DROPOUT)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, channels, h, w)."""
        views = torch.cat([view(x) for view in self.convs], dim=1)
        y: Tensor = self.project(views)
        return y


class DeepLabV3(nn.Module):
    """Backbone, ASPP, a 3x3 convolution and the classifier.

    Args:
        backbone: its last map is classified.
        num_classes: channels of the logits, background included.
        rates: of the ASPP; fitting for stride 8 by default.
        aspp_channels: width of ASPP and of the convolution after it.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = VOC_CLASSES,
        *,
        rates: Sequence[int] = ATROUS_RATES_STRIDE_8,
        aspp_channels: int = ASPP_CHANNELS,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Sequential(
            ASPP(backbone.channels[-1], rates, aspp_channels),
            *_conv_norm_relu(aspp_channels, aspp_channels, 3),
            nn.Conv2d(aspp_channels, num_classes, 1),
        )
        initialise_convolutions(self.classifier)

    def forward(self, image: Tensor) -> Tensor:
        """Turn a normalised image (N, 3, H, W) into logits (N, num_classes, H/s, W/s), s the stride."""
        logits: Tensor = self.classifier(self.backbone(image)[-1])
        return logits


class DecoderHead(nn.Module):
    """The head of V3+: ASPP on the coarse map, joined with a fine one."""

    def __init__(
        self,
        in_channels: int,
        low_level_in_channels: int,
        num_classes: int,
        *,
        rates: Sequence[int],
        aspp_channels: int,
        low_level_channels: int,
    ) -> None:
        super().__init__()
        self.project = nn.Sequential(*_conv_norm_relu(low_level_in_channels, low_level_channels, 1))
        self.aspp = ASPP(in_channels, rates, aspp_channels)
        self.classifier = nn.Sequential(
            *_conv_norm_relu(low_level_channels + aspp_channels, aspp_channels, 3),
            nn.Conv2d(aspp_channels, num_classes, 1),
        )

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Score the classes of each cell of the fine map."""
        detail = self.project(fine)
        context = self.aspp(coarse)
        context = F.interpolate(context, size=detail.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.classifier(torch.cat([detail, context], dim=1))
        return logits


class DeepLabV3Plus(nn.Module):
    """Backbone, ASPP and the decoder that joins the backbone's map at stride 4.

    The decoder ends in one 3x3 convolution, as VainF's; the paper's best has two, separable ones.

    Args:
        backbone: its last map gives the context, its map at stride 4 the detail.
        num_classes: channels of the logits, background included.
        rates: of the ASPP; fitting for stride 16 by default.
        aspp_channels: width of ASPP and of the decoder's convolution.
        low_level_channels: the fine map is narrowed to so many.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = VOC_CLASSES,
        *,
        rates: Sequence[int] = ATROUS_RATES_STRIDE_16,
        aspp_channels: int = ASPP_CHANNELS,
        low_level_channels: int = LOW_LEVEL_CHANNELS,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.low_level = backbone.strides.index(LOW_LEVEL_STRIDE)
        self.classifier = DecoderHead(
            backbone.channels[-1],
            backbone.channels[self.low_level],
            num_classes,
            rates=rates,
            aspp_channels=aspp_channels,
            low_level_channels=low_level_channels,
        )
        initialise_convolutions(self.classifier)

    def forward(self, image: Tensor) -> Tensor:
        """Turn a normalised image (N, 3, H, W) into logits (N, num_classes, H/4, W/4)."""
        maps = self.backbone(image)
        logits: Tensor = self.classifier(maps[self.low_level], maps[-1])
        return logits


def deeplabv3_resnet(
    name: str,
    num_classes: int = VOC_CLASSES,
    *,
    width: int = 64,
    output_stride: int = 8,
    aspp_channels: int = ASPP_CHANNELS,
) -> DeepLabV3:
    """Make DeepLabV3 on a ResNet; torchvision's with the defaults.

    Args:
        name: `resnet18`, `resnet34`, `resnet50` or `resnet101`.
        num_classes: background included.
        width: channels of the ResNet's stem.
        output_stride: 8, 16 or 32 pixels a cell. torchvision keeps the rates of stride 8 at any stride.
        aspp_channels: width of the head.
    """
    backbone = _dilated_resnet(name, width, output_stride)
    return DeepLabV3(backbone, num_classes, aspp_channels=aspp_channels)


def deeplabv3_mobilenet_v3_large(
    num_classes: int = VOC_CLASSES, *, width: float = 1.0, aspp_channels: int = ASPP_CHANNELS
) -> DeepLabV3:
    """Make DeepLabV3 on the dilated MobileNetV3-Large, stride 16; torchvision's with the defaults."""
    return DeepLabV3(MobileNetV3Large(width=width, dilated=True), num_classes, aspp_channels=aspp_channels)


def deeplabv3plus_resnet(
    name: str,
    num_classes: int = VOC_CLASSES,
    *,
    width: int = 64,
    widest: int | None = None,
    output_stride: int = 16,
    rates: Sequence[int] | None = None,
    aspp_channels: int = ASPP_CHANNELS,
    low_level_channels: int = LOW_LEVEL_CHANNELS,
) -> DeepLabV3Plus:
    """Make DeepLabV3+ on a ResNet; `name`, `width` and strides as in `deeplabv3_resnet`.

    `widest` limits the channels of the ResNet's stages, see `ResNet`; `rates` are those of the ASPP, by
    default the paper's for the output stride.
    """
    return DeepLabV3Plus(
        _dilated_resnet(name, width, output_stride, widest),
        num_classes,
        rates=PLUS_RATES[output_stride] if rates is None else rates,
        aspp_channels=aspp_channels,
        low_level_channels=low_level_channels,
    )


def deeplabv3plus_mobilenet_v3_large(
    num_classes: int = VOC_CLASSES,
    *,
    width: float = 1.0,
    aspp_channels: int = ASPP_CHANNELS,
    low_level_channels: int = LOW_LEVEL_CHANNELS,
) -> DeepLabV3Plus:
    """Make DeepLabV3+ on the dilated MobileNetV3-Large, stride 16 before the decoder."""
    return DeepLabV3Plus(
        MobileNetV3Large(width=width, dilated=True),
        num_classes,
        aspp_channels=aspp_channels,
        low_level_channels=low_level_channels,
    )


def _dilated_resnet(name: str, width: int, output_stride: int, widest: int | None = None) -> ResNet:
    if name not in RESNETS or output_stride not in DILATED_STAGES:
        raise UsageError(
            f"no {name} at output stride {output_stride}; there are {', '.join(RESNETS)} at 8, 16 and 32"
        )
    dilated = DILATED_STAGES[output_stride]
    return RESNETS[name](width=width, widest=widest, replace_stride_with_dilation=dilated)


def _conv_norm_relu(in_channels: int, out_channels: int, kernel: int, rate: int = 1) -> list[nn.Module]:
    """Make a size-preserving convolution whose taps are `rate` cells apart, batch normalisation and ReLU."""
    padding = rate * (kernel // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=rate, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]

"""mmsegmentation's networks against its semantics, written once more by the names of its weights alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.family import Source
from edgeseg.models.families.mmseg.mmseg import MMSeg
from edgeseg.models.families.mmseg.networks import make
from tests.models.families.perturbed import perturbed

Weights = Mapping[str, Tensor]

Stages = tuple[tuple[int, ...], tuple[int, ...]]  # strides and dilations of a ResNet

D8: Stages = ((1, 2, 1, 1), (1, 1, 2, 4))
D16: Stages = ((1, 2, 2, 1), (1, 1, 1, 2))
VIEWS = (1, 2, 3)  # dilations of the head
CLASSES = 3
DEEPLAB_CONFIG = """
norm_cfg = dict(type='SyncBN', requires_grad=True)
crop_size = (64, 96)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True, pad_val=0, seg_pad_val=255),
    backbone=dict(
        type='ResNetV1c', depth=18, num_stages=4, out_indices=(0, 1, 2, 3), dilations=(1, 1, 1, 2),
        strides=(1, 2, 2, 1), style='pytorch', contract_dilation=True),
    decode_head=dict(
        type='ASPPHead', in_channels=32, in_index=3, channels=8, dilations=(1, 2, 3), align_corners=True),
    auxiliary_head=dict(type='FCNHead'))
hook = open('/never/opened')
"""


def conv_norm(weights: Weights, name: str, x: Tensor, **convolution: Any) -> Tensor:
    """mmcv's ConvModule."""
    y = F.conv2d(x, weights[f"{name}.conv.weight"], **convolution)
    return F.relu(norm(weights, f"{name}.bn", y))


def norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    mean, var, weight, bias = (
        weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, var, weight, bias)


def separable(weights: Weights, name: str, x: Tensor, dilation: int = 1) -> Tensor:
    y = conv_norm(
        weights, f"{name}.depthwise_conv", x, padding=dilation, dilation=dilation, groups=x.shape[1]
    )
    return conv_norm(weights, f"{name}.pointwise_conv", y)


def resnet18(weights: Weights, x: Tensor, stages: Stages) -> list[Tensor]:
    """ResNetV1c of basic blocks, with contracted dilations."""
    strides, dilations = stages
    for index, stride in ((0, 2), (3, 1), (6, 1)):
        x = F.conv2d(x, weights[f"backbone.stem.{index}.weight"], stride=stride, padding=1)
        x = F.relu(norm(weights, f"backbone.stem.{index + 1}", x))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    maps = []
    for stage in range(4):
        for block in range(2):
            name = f"backbone.layer{stage + 1}.{block}"
            stride = strides[stage] if block == 0 else 1
            dilation = max(1, dilations[stage] // 2) if block == 0 else dilations[stage]
            y = F.conv2d(
                x, weights[f"{name}.conv1.weight"], stride=stride, padding=dilation, dilation=dilation
            )
            y = F.relu(norm(weights, f"{name}.bn1", y))
            y = norm(weights, f"{name}.bn2", F.conv2d(y, weights[f"{name}.conv2.weight"], padding=1))
            if f"{name}.downsample.0.weight" in weights:
                x = F.conv2d(x, weights[f"{name}.downsample.0.weight"], stride=stride)
                x = norm(weights, f"{name}.downsample.1", x)
            x = F.relu(x + y)
        maps.append(x)
    return maps


def aspp(weights: Weights, x: Tensor, dilations: tuple[int, ...]) -> list[Tensor]:
    """The view of the whole image first, enlarged."""
    pooled = conv_norm(weights, "decode_head.image_pool.1", F.adaptive_avg_pool2d(x, 1))
    views = [F.interpolate(pooled, x.shape[-2:], mode="bilinear")]
    for index, dilation in enumerate(dilations):
        name = f"decode_head.aspp_modules.{index}"
        if f"{name}.depthwise_conv.conv.weight" in weights:
            views.append(separable(weights, name, x, dilation))
        else:
            padding = 0 if dilation == 1 else dilation
            views.append(conv_norm(weights, name, x, padding=padding, dilation=dilation))
    return views


def classified(weights: Weights, x: Tensor) -> Tensor:
    return F.conv2d(x, weights["decode_head.conv_seg.weight"], weights["decode_head.conv_seg.bias"])


def deeplabv3(weights: Weights, x: Tensor, stages: Stages) -> Tensor:
    views = aspp(weights, resnet18(weights, x, stages)[-1], VIEWS)
    return classified(weights, conv_norm(weights, "decode_head.bottleneck", torch.cat(views, 1), padding=1))


def deeplabv3plus(weights: Weights, x: Tensor, stages: Stages) -> Tensor:
    maps = resnet18(weights, x, stages)
    views = torch.cat(aspp(weights, maps[-1], VIEWS), 1)
    context = conv_norm(weights, "decode_head.bottleneck", views, padding=1)
    fine = conv_norm(weights, "decode_head.c1_bottleneck", maps[0])
    context = F.interpolate(context, fine.shape[-2:], mode="bilinear", align_corners=False)
    y = torch.cat([context, fine], 1)
    for index in range(2):
        y = separable(weights, f"decode_head.sep_bottleneck.{index}", y)
    return classified(weights, y)


def psp(weights: Weights, x: Tensor, scales: tuple[int, ...], stages: Stages) -> Tensor:
    x = resnet18(weights, x, stages)[-1]
    views = [x]
    for index, scale in enumerate(scales):
        pooled = conv_norm(weights, f"decode_head.psp_modules.{index}.1", F.adaptive_avg_pool2d(x, scale))
        views.append(F.interpolate(pooled, x.shape[-2:], mode="bilinear", align_corners=False))
    return classified(weights, conv_norm(weights, "decode_head.bottleneck", torch.cat(views, 1), padding=1))


def unet(weights: Weights, x: Tensor, stages: int) -> list[Tensor]:
    """The maps of the expanding path, the coarsest first."""

    def block(name: str, x: Tensor) -> Tensor:
        for index in range(2):
            x = conv_norm(weights, f"{name}.convs.{index}", x, padding=1)
        return x

    skips = []
    for stage in range(stages):
        x = block(f"backbone.encoder.{stage}.{min(stage, 1)}", F.max_pool2d(x, 2) if stage else x)
        skips.append(x)
    maps = [x]
    for stage in reversed(range(stages - 1)):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = conv_norm(weights, f"backbone.decoder.{stage}.upsample.interp_upsample.1", x)
        x = block(f"backbone.decoder.{stage}.conv_block", torch.cat([skips[stage], x], 1))
        maps.append(x)
    return maps


def fcn_head(weights: Weights, x: Tensor, convolutions: int, concatenate: bool) -> Tensor:
    y = x
    for index in range(convolutions):
        y = conv_norm(weights, f"decode_head.convs.{index}", y, padding=1)
    if concatenate:
        y = conv_norm(weights, "decode_head.conv_cat", torch.cat([x, y], 1), padding=1)
    return classified(weights, y)


def resnet_shapes(width: int = 4) -> dict[str, tuple[int, ...]]:
    """Name the weights of a ResNetV1c of eight basic blocks, with their shapes."""
    half = width // 2
    shapes: dict[str, tuple[int, ...]] = {}
    for index, (c_in, c_out) in zip((0, 3, 6), ((3, half), (half, half), (half, width)), strict=True):
        shapes[f"backbone.stem.{index}.weight"] = (c_out, c_in, 3, 3)
        shapes |= norm_shapes(f"backbone.stem.{index + 1}", c_out)
    c_in = width
    for stage in range(4):
        c_out = width << stage
        for block in range(2):
            name = f"backbone.layer{stage + 1}.{block}"
            shapes[f"{name}.conv1.weight"] = (c_out, c_in, 3, 3)
            shapes[f"{name}.conv2.weight"] = (c_out, c_out, 3, 3)
            shapes |= norm_shapes(f"{name}.bn1", c_out) | norm_shapes(f"{name}.bn2", c_out)
            if c_in != c_out:
                shapes[f"{name}.downsample.0.weight"] = (c_out, c_in, 1, 1)
                shapes |= norm_shapes(f"{name}.downsample.1", c_out)
            c_in = c_out
    return shapes


def norm_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (channels,) for part in parts}, f"{name}.num_batches_tracked": ()}


def conv_shapes(name: str, c_in: int, c_out: int, kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.conv.weight": (c_out, c_in, kernel, kernel), **norm_shapes(f"{name}.bn", c_out)}


def separable_shapes(name: str, c_in: int, c_out: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.depthwise_conv.conv.weight": (c_in, 1, 3, 3),
        **norm_shapes(f"{name}.depthwise_conv.bn", c_in),
        **conv_shapes(f"{name}.pointwise_conv", c_in, c_out, 1),
    }


def classifier_shapes(channels: int, classes: int = CLASSES) -> dict[str, tuple[int, ...]]:
    name = "decode_head.conv_seg"
    return {f"{name}.weight": (classes, channels, 1, 1), f"{name}.bias": (classes,)}


def aspp_shapes(
    c_in: int, channels: int, dilations: tuple[int, ...], *, apart: bool
) -> dict[str, tuple[int, ...]]:
    shapes = conv_shapes("decode_head.image_pool.1", c_in, channels, 1)
    for index, dilation in enumerate(dilations):
        name = f"decode_head.aspp_modules.{index}"
        if apart and dilation > 1:
            shapes |= separable_shapes(name, c_in, channels)
        else:
            shapes |= conv_shapes(name, c_in, channels, 1 if dilation == 1 else 3)
    return shapes | conv_shapes("decode_head.bottleneck", (len(dilations) + 1) * channels, channels, 3)


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Draw weights of these shapes; the auxiliary head's are added, which nothing uses."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}
    for name, shape in {**shapes, "auxiliary_head.conv_seg.weight": (CLASSES, 4, 1, 1)}.items():
        if not shape:
            weights[name] = torch.tensor(7)
        elif len(shape) > 1:
            weights[name] = (
                torch.randn(shape, generator=generator) * (2 / torch.tensor(shape[1:]).prod()) ** 0.5
            )
        elif name.endswith("running_var"):
            weights[name] = torch.rand(shape, generator=generator) + 0.5
        else:
            weights[name] = torch.randn(shape, generator=generator) * 0.2 + float(name.endswith("weight"))
    return weights


def image(height: int = 64, width: int = 96) -> Tensor:
    return torch.randn((1, 3, height, width), generator=torch.Generator().manual_seed(1))


def source(weights: Weights, **meta: Any) -> Source:
    return Source(Path("iter_80000.pth"), weights, {"meta": meta} if meta else {})


def logits(weights: Weights, arguments: Mapping[str, Any] | None = None, **meta: Any) -> Tensor:
    """Run what the family makes of weights."""
    family = MMSeg()
    recognised = family.recognise(source(weights, **meta))
    assert recognised is not None
    with torch.inference_mode():
        result: Tensor = family.make(source(weights, **meta), recognised, arguments or {}).module(image())
    return result


def test_deeplabv3_computes_what_mmsegmentation_does() -> None:
    weights = drawn({**resnet_shapes(), **aspp_shapes(32, 8, VIEWS, apart=False), **classifier_shapes(8)})
    expected = deeplabv3(weights, image(), D8)
    assert torch.allclose(logits(weights, {"dilations": list(VIEWS)}), expected, atol=1e-4)


def test_the_configuration_says_strides_dilations_and_corners() -> None:
    weights = drawn({**resnet_shapes(), **aspp_shapes(32, 8, VIEWS, apart=False), **classifier_shapes(8)})
    expected = deeplabv3(weights, image(), D16)
    expected = F.interpolate(expected, (64, 96), mode="bilinear", align_corners=True)
    assert torch.allclose(logits(weights, cfg=DEEPLAB_CONFIG), expected, atol=1e-4)


def test_deeplabv3plus_computes_what_mmsegmentation_does() -> None:
    head = {
        **aspp_shapes(32, 8, VIEWS, apart=True),
        **conv_shapes("decode_head.c1_bottleneck", 4, 2, 1),
        **separable_shapes("decode_head.sep_bottleneck.0", 10, 8),
        **separable_shapes("decode_head.sep_bottleneck.1", 8, 8),
    }
    weights = drawn({**resnet_shapes(), **head, **classifier_shapes(8)})
    arguments = {"dilations": list(VIEWS), "output_stride": 16}
    expected = deeplabv3plus(weights, image(), D16)
    assert torch.allclose(logits(weights, arguments), expected, atol=1e-4)


def test_pspnet_computes_what_mmsegmentation_does() -> None:
    pools = {f"decode_head.psp_modules.{index}.1": 8 for index in range(4)}
    head = {key: value for name in pools for key, value in conv_shapes(name, 32, 8, 1).items()}
    head |= conv_shapes("decode_head.bottleneck", 64, 8, 3)
    weights = drawn({**resnet_shapes(), **head, **classifier_shapes(8)})
    expected = psp(weights, image(), (1, 2, 3, 6), D8)
    assert torch.allclose(logits(weights), expected, atol=1e-4)


def test_fcn_joins_its_input() -> None:
    head = {
        **conv_shapes("decode_head.convs.0", 32, 8, 3),
        **conv_shapes("decode_head.convs.1", 8, 8, 3),
        **conv_shapes("decode_head.conv_cat", 40, 8, 3),
    }
    weights = drawn({**resnet_shapes(), **head, **classifier_shapes(8)})
    expected = fcn_head(weights, resnet18(weights, image(), D8)[-1], 2, concatenate=True)
    assert torch.allclose(logits(weights), expected, atol=1e-4)


def test_unet_computes_what_mmsegmentation_does() -> None:
    weights = drawn({**unet_shapes(3), **conv_shapes("decode_head.convs.0", 4, 4, 3), **classifier_shapes(4)})
    expected = fcn_head(weights, unet(weights, image(), 3)[-1], 1, concatenate=False)
    assert torch.allclose(logits(weights), expected, atol=1e-4)


def test_a_recognised_network_names_backbone_classes_and_what_it_assumes() -> None:
    weights = drawn({**resnet_shapes(), **aspp_shapes(32, 8, VIEWS, apart=False), **classifier_shapes(8)})
    found = MMSeg().recognise(source(weights))
    assert found is not None
    assert (found.model, found.backbone, found.num_classes) == ("mmseg:DeepLabV3", "ResNet-18, deep stem", 3)
    assert found.sure == "likely"
    assert any("output stride" in text for text in found.unknown)
    told = MMSeg().recognise(source(weights, cfg=DEEPLAB_CONFIG))
    assert told is not None
    assert (told.sure, told.unknown) == ("certain", ())
    assert told.said["mean_rgb"] == "the checkpoint's configuration"


def test_meta_says_classes_pixels_and_size() -> None:
    weights = drawn({**resnet_shapes(), **aspp_shapes(32, 8, VIEWS, apart=False), **classifier_shapes(8)})
    told = source(weights, cfg=DEEPLAB_CONFIG, CLASSES=["road", "car", "sky"])
    recognised = MMSeg().recognise(told)
    assert recognised is not None
    network = MMSeg().make(told, recognised, {})
    assert network.class_names == ("road", "car", "sky")
    assert network.default_size_hw == (64, 96)
    assert (network.mean_rgb, network.divide_by_255) == ((123.675, 116.28, 103.53), "never")
    assert network.channel_order == "rgb"


def test_pixels_that_stay_bgr_are_normalised_as_such() -> None:
    weights = drawn(
        {**unet_shapes(2), **conv_shapes("decode_head.convs.0", 4, 4, 3), **classifier_shapes(4, 1)}
    )
    config = "img_norm_cfg = dict(mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0], to_rgb=False)\n"
    config += "pipeline = [dict(type='Normalize', mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0], to_rgb=False)]"
    told = source(weights, config=config)
    recognised = MMSeg().recognise(told)
    assert recognised is not None
    network = MMSeg().make(told, recognised, {})
    assert (network.channel_order, network.mean_rgb, network.std_rgb) == (
        "bgr",
        (3.0, 2.0, 1.0),
        (6.0, 5.0, 4.0),
    )
    assert network.head_threshold == 0.3  # mmsegmentation's own, of one channel


def test_a_resnet_that_dilates_otherwise_is_refused() -> None:
    weights = drawn({**resnet_shapes(), **aspp_shapes(32, 8, VIEWS, apart=False), **classifier_shapes(8)})
    odd = DEEPLAB_CONFIG.replace("contract_dilation=True", "contract_dilation=False")
    with pytest.raises(CheckpointError, match="without contract_dilation"):
        MMSeg().recognise(source(weights, cfg=odd))


def test_arguments_that_weights_show_are_refused() -> None:
    weights = drawn({**unet_shapes(2), **conv_shapes("decode_head.convs.0", 4, 4, 3), **classifier_shapes(4)})
    with pytest.raises(UsageError, match="mmseg:UNet takes align_corners, in_index, not depth"):
        logits(weights, {"depth": 4})


def test_other_weights_are_none_of_its_own() -> None:
    assert MMSeg().recognise(source({"backbone.conv1.weight": torch.zeros(1)})) is None


def test_what_is_made_has_the_names_of_the_file() -> None:
    weights = drawn({**unet_shapes(3), **conv_shapes("decode_head.convs.0", 4, 4, 3), **classifier_shapes(4)})
    made = make(weights, {"in_index": 2, "align_corners": False})
    assert set(perturbed(made).state_dict()) == {name for name in weights if not name.startswith("auxiliary")}


def unet_shapes(stages: int, width: int = 4) -> dict[str, tuple[int, ...]]:
    """Name the weights of a U-Net with pooling between its stages, with their shapes."""
    shapes: dict[str, tuple[int, ...]] = {}
    c_in = 3
    for stage in range(stages):
        c_out = width << stage
        name = f"backbone.encoder.{stage}.{min(stage, 1)}.convs"
        shapes |= conv_shapes(f"{name}.0", c_in, c_out, 3) | conv_shapes(f"{name}.1", c_out, c_out, 3)
        c_in = c_out
    for stage in range(stages - 1):
        c_out = width << stage
        name = f"backbone.decoder.{stage}"
        shapes |= conv_shapes(f"{name}.upsample.interp_upsample.1", 2 * c_out, c_out, 1)
        shapes |= conv_shapes(f"{name}.conv_block.convs.0", 2 * c_out, c_out, 3)
        shapes |= conv_shapes(f"{name}.conv_block.convs.1", c_out, c_out, 3)
    return shapes

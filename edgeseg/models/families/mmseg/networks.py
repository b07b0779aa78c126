"""Read the parameters of mmsegmentation's networks from names, shapes and configuration, and make them.

Weights do not show dilations, which maps a head takes, and whether corners are aligned. The configuration
does; without one, the values are taken that mmsegmentation's own have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from edgeseg.errors import CheckpointError
from edgeseg.models.decode_heads import (
    ASPPHead,
    DecodeHead,
    EncoderDecoder,
    FCNHead,
    PSPHead,
    SeparableASPPHead,
)
from edgeseg.models.resnet import Bottleneck, OnceDilatedBlock, ResNet
from edgeseg.models.stage_unet import StageUNet

Weights = Mapping[str, Tensor]
STRIDES_TO_DILATIONS = {32: (1, 1, 1, 1), 16: (1, 1, 1, 2), 8: (1, 1, 2, 4)}
USUAL_STRIDE = 8
ASPP_DILATIONS = (1, 12, 24, 36)
POOL_SCALES = (1, 2, 3, 6)
HEADS: Mapping[str, str] = {
    "DeepLabV3Plus": "decode_head.c1_bottleneck.",
    "DeepLabV3": "decode_head.aspp_modules.",
    "PSPNet": "decode_head.psp_modules.",
    "FCN": "decode_head.convs.",
}
"""Networks by the names of what their heads alone have, of which the first that is there counts."""

UNET = "backbone.encoder.0.0.convs.0.conv.weight"
RESNET = "backbone.layer1.0.conv1.weight"
CLASSIFIER = "decode_head.conv_seg.weight"
DEPTHS: Mapping[tuple[str, tuple[int, ...]], str] = {
    ("BasicBlock", (2, 2, 2, 2)): "ResNet-18",
    ("BasicBlock", (3, 4, 6, 3)): "ResNet-34",
    ("Bottleneck", (3, 4, 6, 3)): "ResNet-50",
    ("Bottleneck", (3, 4, 23, 3)): "ResNet-101",
    ("Bottleneck", (3, 8, 36, 3)): "ResNet-152",
}


@dataclass(frozen=True)
class Read:
    """What weights and configuration say of a network.

    Attributes:
        architecture: `DeepLabV3`, `UNet`.
        backbone: in words.
        parameters: that weights do not show, as `make` takes them.
        assumed: what neither says, a sentence for each.
    """

    architecture: str
    backbone: str
    parameters: dict[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()


def read_network(weights: Weights, model: Mapping[str, Any]) -> Read | None:
    """Read the parameters of a network; None where it is none of `HEADS` on a ResNet or a U-Net.

    Args:
        weights: tensors by name.
        model: of the configuration; empty where there is none.
    """
    head = next((name for name, prefix in HEADS.items() if _has(weights, prefix)), None)
    if head is None or CLASSIFIER not in weights or not (UNET in weights or RESNET in weights):
        return None
    assumed = []
    described = _entry(model, "decode_head")
    parameters: dict[str, Any] = {"align_corners": described.get("align_corners", False)}
    if UNET in weights:
        stages = len(_numbers(weights, "backbone.encoder."))
        parameters["in_index"] = described.get("in_index", stages - 1)
        architecture, backbone = f"UNet-{head}" if head != "FCN" else "UNet", f"U-Net of {stages} stages"
    else:
        architecture, backbone = head, _resnet_name(weights)
        stride = _output_stride(_entry(model, "backbone"))
        parameters["output_stride"] = stride or USUAL_STRIDE
        if stride is None:
            assumed.append(f"its output stride: {USUAL_STRIDE} (?output_stride=16)")
    if head.startswith("DeepLab"):
        parameters["dilations"] = described.get("dilations", list(ASPP_DILATIONS))
        if not described:
            assumed.append(
                f"the dilations of its views: {','.join(map(str, ASPP_DILATIONS))} (?dilations=1,6,12,18)"
            )
    if head == "PSPNet":
        parameters["scales"] = described.get("pool_scales", list(POOL_SCALES))
    if not described:
        assumed.append("whether corners are aligned: they are not (?align_corners=True)")
    return Read(architecture, backbone, parameters, tuple(assumed))


def make(weights: Weights, parameters: Mapping[str, Any]) -> EncoderDecoder:
    """Make the network to the measure of its weights.

    Args:
        parameters: of `Read`.
    """
    if UNET in weights:
        backbone: StageUNet | ResNet = _make_unet(weights)
        index = parameters["in_index"]
    else:
        backbone = _make_resnet(weights, parameters["output_stride"])
        index = -1
    return EncoderDecoder(backbone, _make_head(weights, index, parameters))


def _make_head(weights: Weights, index: int, parameters: Mapping[str, Any]) -> DecodeHead:
    classes, channels = weights[CLASSIFIER].shape[:2]
    common = {"in_index": index, "align_corners": parameters["align_corners"]}
    if _has(weights, HEADS["FCN"]):
        first = weights["decode_head.convs.0.conv.weight"]
        return FCNHead(
            first.shape[1],
            channels,
            classes,
            convolutions=len(_numbers(weights, "decode_head.convs.")),
            kernel=first.shape[-1],
            concatenate=_has(weights, "decode_head.conv_cat."),
            **common,
        )
    if _has(weights, HEADS["PSPNet"]):
        in_channels = weights["decode_head.psp_modules.0.1.conv.weight"].shape[1]
        return PSPHead(in_channels, channels, classes, scales=parameters["scales"], **common)
    in_channels = weights["decode_head.image_pool.1.conv.weight"].shape[1]
    if _has(weights, HEADS["DeepLabV3Plus"]):
        fine_channels, fine_in_channels = weights["decode_head.c1_bottleneck.conv.weight"].shape[:2]
        return SeparableASPPHead(
            in_channels,
            channels,
            classes,
            dilations=parameters["dilations"],
            fine_in_channels=fine_in_channels,
            fine_channels=fine_channels,
            align_corners=parameters["align_corners"],
        )
    return ASPPHead(in_channels, channels, classes, dilations=parameters["dilations"], **common)


def _make_unet(weights: Weights) -> StageUNet:
    """Make the backbone; a stage that begins with pooling has its convolutions second."""
    levels = _numbers(weights, "backbone.encoder.")
    first = weights[UNET]
    pooled = [_has(weights, f"backbone.encoder.{level}.1.") for level in levels]
    down = [
        f"backbone.encoder.{level}.{int(pool)}.convs." for level, pool in zip(levels, pooled, strict=True)
    ]
    doubled = [
        _has(weights, f"backbone.decoder.{level - 1}.upsample.interp_upsample.") for level in levels[1:]
    ]
    return StageUNet(
        width=first.shape[0],
        strides=[
            1,
            *(2 if double and not pool else 1 for double, pool in zip(doubled, pooled[1:], strict=True)),
        ],
        pooled=pooled,
        down_convolutions=[len(_numbers(weights, prefix)) for prefix in down],
        up_convolutions=[
            len(_numbers(weights, f"backbone.decoder.{level - 1}.conv_block.convs.")) for level in levels[1:]
        ],
        in_channels=first.shape[1],
    )


def _make_resnet(weights: Weights, output_stride: Any) -> ResNet:
    if output_stride not in STRIDES_TO_DILATIONS:
        raise CheckpointError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    block, layers = _blocks(weights)
    deep = "backbone.stem.0.weight" in weights
    stem = weights["backbone.stem.6.weight" if deep else "backbone.conv1.weight"]
    return ResNet(
        Bottleneck if block == "Bottleneck" else OnceDilatedBlock,
        layers,
        width=stem.shape[0],
        replace_stride_with_dilation=[dilation > 1 for dilation in STRIDES_TO_DILATIONS[output_stride][1:]],
        deep_stem=deep,
    )


def _resnet_name(weights: Weights) -> str:
    block, layers = _blocks(weights)
    name = DEPTHS.get((block, layers), f"ResNet of {layers} {block}s")
    return f"{name}, deep stem" if "backbone.stem.0.weight" in weights else name


def _blocks(weights: Weights) -> tuple[str, tuple[int, ...]]:
    block = "Bottleneck" if "backbone.layer1.0.conv3.weight" in weights else "BasicBlock"
    return block, tuple(len(_numbers(weights, f"backbone.layer{stage}.")) for stage in range(1, 5))


def _output_stride(backbone: Mapping[str, Any]) -> int | None:
    """Give the stride that a ResNet's dilations lead to; None where nothing says them.

    Raises:
        CheckpointError: if it dilates in a way that ours does not.
    """
    if not backbone:
        return None
    dilations = tuple(backbone.get("dilations", STRIDES_TO_DILATIONS[32]))
    known = {value: stride for stride, value in STRIDES_TO_DILATIONS.items()}
    whole = dilations == STRIDES_TO_DILATIONS[32]
    others = [name for name in ("multi_grid", "dcn", "plugins") if backbone.get(name)]
    if backbone.get("style", "pytorch") != "pytorch":
        others.append("style")
    if dilations not in known or others or not (whole or backbone.get("contract_dilation") is True):
        odd = ", ".join(others) or f"dilations {dilations} without contract_dilation"
        raise CheckpointError(
            f"the configuration asks for a ResNet that edgeseg does not have ({odd}); export it with "
            "mmsegmentation, by a function of your own (file.py:function)"
        )
    return known[dilations]


def _entry(model: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    entry = model.get(name)
    return entry if isinstance(entry, Mapping) else {}


def _has(weights: Weights, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in weights)


def _numbers(weights: Weights, prefix: str) -> list[int]:
    """List the numbers of a module list's parts."""
    pattern = re.compile(re.escape(prefix) + r"(\d{1,3})\.")
    return sorted({int(match[1]) for name in weights if (match := pattern.match(name))})

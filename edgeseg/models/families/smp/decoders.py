"""Turn names and shapes of weights into the architecture that has them, with the parameters that they show.

A network of segmentation-models-pytorch is `encoder.`, `decoder.` and `segmentation_head.`; which decoder it
is, its names say, and how wide and deep, its shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

HEAD = "segmentation_head.0.weight"
ENCODER = "encoder."
MOST_BLOCKS = 5  # an encoder has as many stages

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Decoder:
    """What weights show of an architecture, but for its encoder.

    Attributes:
        architecture: class of the library.
        parameters: of its function, as far as the weights show them.
        depth: stages of the encoder, where the decoder has one part for each; else None.
        deepest_channels: of the encoder's last stage, where the decoder shows them.
        mapped_stages: of the encoder that the decoder maps, from the first with channels; None where the
            decoder does not show them.
        unseen: parameters that weights never show, with the library's defaults.
    """

    architecture: str
    parameters: Mapping[str, Any]
    depth: int | None = None
    deepest_channels: int | None = None
    mapped_stages: int | None = None
    unseen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Layout:
    names: tuple[str, ...]  # regular expressions that a decoder's names begin with; all must be there
    read: Callable[[Shapes], Decoder]


def read_decoder(shapes: Shapes) -> Decoder | None:
    """Tell the architecture of weights; None if they are none of the library's.

    Args:
        shapes: of the weights, by their names; those of releases before 0.5 as well.
    """
    if HEAD not in shapes or not any(name.startswith(ENCODER) for name in shapes):
        return None
    shapes = {renamed(name): shape for name, shape in shapes.items()}
    for layout in _LAYOUTS.values():
        if all(any(re.match(pattern, name) for name in shapes) for pattern in layout.names):
            try:
                return layout.read(shapes)
            except (KeyError, IndexError):  # weights of another network, or some are missing
                return None
    return None


def layouts() -> dict[str, tuple[str, ...]]:
    """Give for each architecture how its weights' names begin, as regular expressions."""
    return {name: (r"encoder\.", r"segmentation_head\.", *layout.names) for name, layout in _LAYOUTS.items()}


def renamed(name: str) -> str:
    """Spell the name of a weight of DeepLabV3 as releases from 0.5 on do; all others stay."""
    return re.sub(r"^decoder\.([012])\.", lambda match: _DEEPLAB_PARTS[match[1]], name)


_DEEPLAB_PARTS = {"0": "decoder.aspp.", "1": "decoder.conv.", "2": "decoder.bn."}


def _unet(shapes: Shapes) -> Decoder:
    widths = _block_widths(shapes, "decoder.blocks.{}.conv1.0.weight")
    parameters = {"decoder_channels": widths, **_norm(shapes, "decoder.blocks.0.conv1"), **_attention(shapes)}
    return Decoder("Unet", parameters, depth=len(widths), unseen=_NEAREST)


def _unet_plus_plus(shapes: Shapes) -> Decoder:
    widths = _block_widths(shapes, "decoder.blocks.x_0_{}.conv1.0.weight")
    norm = _norm(shapes, "decoder.blocks.x_0_0.conv1")
    parameters = {"decoder_channels": widths, **norm, **_attention(shapes)}
    return Decoder("UnetPlusPlus", parameters, depth=len(widths), unseen=_NEAREST)


def _manet(shapes: Shapes) -> Decoder:
    widths = _block_widths(shapes, "decoder.blocks.{}.conv1.0.weight")
    parameters = {
        "decoder_channels": widths,
        "decoder_pab_channels": shapes["decoder.center.top_conv.weight"][0],
        **_norm(shapes, "decoder.blocks.0.conv1"),
    }
    return Decoder("MAnet", parameters, depth=len(widths), unseen=_NEAREST)


def _linknet(shapes: Shapes) -> Decoder:
    widths = _block_widths(shapes, "decoder.blocks.{}.block.0.0.weight")
    return Decoder("Linknet", _norm(shapes, "decoder.blocks.0.block.0"), depth=len(widths))


def _fpn(shapes: Shapes) -> Decoder:
    segmentation = shapes["decoder.seg_blocks.0.block.0.block.0.weight"][0]
    parameters = {
        "decoder_pyramid_channels": shapes["decoder.p5.weight"][0],
        "decoder_segmentation_channels": segmentation,
        "decoder_merge_policy": "add" if shapes[HEAD][1] == segmentation else "cat",
    }
    deepest = shapes["decoder.p5.weight"][1]
    return Decoder("FPN", parameters, deepest_channels=deepest, unseen={**_NEAREST, **_upsampling(4)})


def _pspnet(shapes: Shapes) -> Decoder:
    width, inner = shapes["decoder.conv.0.weight"][:2]
    parameters = {"psp_out_channels": width, **_norm(shapes, "decoder.conv")}
    # The maps of the pyramid have together as many channels as what is pooled.
    return Decoder("PSPNet", parameters, deepest_channels=inner // 2, unseen=_upsampling(8))


def _deeplab(shapes: Shapes) -> Decoder:
    parameters = {
        "decoder_channels": shapes["decoder.conv.weight"][0],
        "decoder_aspp_separable": "decoder.aspp.convs.1.0.0.weight" in shapes,
    }
    deepest = shapes["decoder.aspp.convs.0.0.weight"][1]
    return Decoder(
        "DeepLabV3", parameters, deepest_channels=deepest, unseen={**_atrous(8), "upsampling": None}
    )


def _deeplab_plus(shapes: Shapes) -> Decoder:
    parameters = {
        "decoder_channels": shapes["decoder.block2.0.1.weight"][0],
        "decoder_aspp_separable": "decoder.aspp.0.convs.1.0.0.weight" in shapes,
    }
    deepest = shapes["decoder.aspp.0.convs.0.0.weight"][1]
    unseen = {**_atrous(16), **_upsampling(4)}
    return Decoder("DeepLabV3Plus", parameters, deepest_channels=deepest, unseen=unseen)


def _pan(shapes: Shapes) -> Decoder:
    parameters = {"decoder_channels": shapes["decoder.fpa.mid.0.conv.weight"][0]}
    depth = 2 + sum(f"decoder.gau{index}.conv2.conv.weight" in shapes for index in (1, 2, 3))
    unseen = {"encoder_output_stride": 16, "decoder_interpolation": "bilinear", **_upsampling(4)}
    return Decoder("PAN", parameters, depth=depth, unseen=unseen)


def _upernet(shapes: Shapes) -> Decoder:
    norms = _block_widths(shapes, "decoder.feature_norms.{}.weight")
    parameters = {
        "decoder_channels": shapes["decoder.fusion_block.0.weight"][0],
        **_norm(shapes, "decoder.fusion_block"),
    }
    return Decoder("UPerNet", parameters, depth=len(norms) + 1, unseen=_upsampling(4))


def _segformer(shapes: Shapes) -> Decoder:
    parameters = {"decoder_segmentation_channels": shapes["decoder.fuse_stage.0.weight"][0]}
    stages = len(_block_widths(shapes, "decoder.mlp_stage.{}.linear.weight"))
    return Decoder("Segformer", parameters, mapped_stages=stages, unseen=_upsampling(4))


_NEAREST: Mapping[str, Any] = {"decoder_interpolation": "nearest"}


def _upsampling(factor: int) -> dict[str, Any]:
    return {"upsampling": factor}


def _atrous(stride: int) -> dict[str, Any]:
    return {"encoder_output_stride": stride, "decoder_atrous_rates": (12, 24, 36)}


def _block_widths(shapes: Shapes, name: str) -> tuple[int, ...]:
    """Read how many channels the blocks 0, 1, .. give; name is their weight's, with {} for the number."""
    numbers = range(next(n for n in range(MOST_BLOCKS + 1) if name.format(n) not in shapes))
    return tuple(shapes[name.format(number)][0] for number in numbers)


def _norm(shapes: Shapes, block: str) -> dict[str, Any]:
    """Read which normalisation follows a block's convolution.

    Of those with weights but without statistics, instance normalisation is the one for maps of any size.
    """
    if f"{block}.1.running_mean" in shapes:
        return {}  # the default
    if f"{block}.1.weight" in shapes:
        return {"decoder_use_norm": {"type": "instancenorm", "affine": True}}
    return {"decoder_use_norm": False}


def _attention(shapes: Shapes) -> dict[str, Any]:
    attends = any(".attention1.attention.cSE." in name for name in shapes)
    return {"decoder_attention_type": "scse"} if attends else {}


_LAYOUTS: Mapping[str, _Layout] = {
    "UnetPlusPlus": _Layout((r"decoder\.blocks\.x_\d_\d\.",), _unet_plus_plus),
    "MAnet": _Layout((r"decoder\.center\.top_conv\.", r"decoder\.blocks\.\d\."), _manet),
    "Linknet": _Layout((r"decoder\.blocks\.\d\.block\.",), _linknet),
    "Unet": _Layout((r"decoder\.blocks\.\d\.conv1\.", r"decoder\.blocks\.\d\.conv2\."), _unet),
    "FPN": _Layout((r"decoder\.p[2345]\.", r"decoder\.seg_blocks\."), _fpn),
    "UPerNet": _Layout((r"decoder\.fpn_lateral_blocks\.", r"decoder\.fusion_block\."), _upernet),
    "PSPNet": _Layout((r"decoder\.psp\.blocks\.", r"decoder\.conv\."), _pspnet),
    "DeepLabV3Plus": _Layout((r"decoder\.aspp\.0\.", r"decoder\.block[12]\."), _deeplab_plus),
    "DeepLabV3": _Layout((r"decoder\.aspp\.", r"decoder\.conv\."), _deeplab),
    "PAN": _Layout((r"decoder\.fpa\.", r"decoder\.gau\d\."), _pan),
    "Segformer": _Layout((r"decoder\.mlp_stage\.", r"decoder\.fuse_stage\."), _segformer),
}

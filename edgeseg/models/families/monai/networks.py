"""Read from the names and shapes of MONAI's weights with which parameters its networks were made.

Each reader takes a state dict and gives what the network's class is called with, and what the weights do
not hold. MONAI leaves no trace of activations without parameters, of instance normalisation without them,
and, but in residual blocks, of strides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from edgeseg.models.checkpoints.weight_names import NORM_COUNTER

Weights = Mapping[str, Tensor]

SPATIAL_AXES_AT = 2  # of a convolution's weight: (out, in, height, width) or (out, in, depth, height, width)
USUAL_STRIDE = 2
SEGRESNET_GROUPS = 8


@dataclass(frozen=True)
class Reading:
    """What weights show of a network.

    Attributes:
        parameters: of the network's class.
        assumed: what they do not show, and is MONAI's own or usual value: a sentence for each.
        missing: parameters that nobody can assume, with an example.
    """

    parameters: dict[str, Any]
    assumed: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


def read_unet(weights: Weights) -> Reading | None:
    """Read `UNet`: blocks nested in each other, a level each, `model.1.submodule.1.submodule`.

    A residual block's own shortcut is a 1x1 convolution where it keeps the map's size, and has the block's
    kernel where it strides; blocks without a shortcut do not show their stride.
    """
    top = "model." if _under(weights, "model.1.submodule.") else ""
    if not _under(weights, f"{top}1.submodule."):
        return None
    downs, block = [], top
    while _under(weights, below := f"{block}1.submodule."):
        downs.append(f"{block}0.")
        block = below
    downs.append(block)
    units = len(
        {name.split(".")[0] for name in _under(weights, f"{downs[0]}conv.") if name.startswith("unit")}
    )
    first = "conv.unit0." if units else ""
    convolutions = [weights.get(f"{down}{first}conv.weight") for down in downs]
    up = weights.get(f"{top}2.0.conv.weight" if units else f"{top}2.conv.weight")
    if up is None or any(one is None for one in convolutions):
        return None
    down_weights = [one for one in convolutions if one is not None]
    strides, unseen = _unet_strides(weights, downs[:-1], down_weights)
    example = ",".join(map(str, strides))
    norm = _norm(weights, f"{downs[0]}{first}adn.N.")
    prelu = weights.get(f"{downs[0]}{first}adn.A.weight")
    parameters: dict[str, Any] = {
        "spatial_dims": _spatial_dims(down_weights[0]),
        "in_channels": down_weights[0].shape[1],
        "out_channels": up.shape[1],
        "channels": tuple(weight.shape[0] for weight in down_weights),
        "strides": strides,
        "kernel_size": _kernel(down_weights[0]),
        "up_kernel_size": _kernel(up),
        "num_res_units": units,
        "norm": norm or "INSTANCE",
        "bias": f"{downs[0]}{first}conv.bias" in weights,
    }
    assumed = []
    if unseen:
        assumed.append(f"strides: {USUAL_STRIDE} at every level (?strides={example})")
    if norm is None:
        assumed.append("normalisation: of each instance, without parameters (?norm=None)")
    if norm == AFFINE_INSTANCE:
        assumed.append(GROUPS_NOTE.format(parameter="norm"))
    if prelu is None:
        return Reading(parameters, tuple(assumed), {"act": "RELU"})
    if prelu.numel() > 1:
        parameters["act"] = ("PRELU", {"num_parameters": prelu.numel()})
    return Reading(parameters, tuple(assumed))


def read_basic_unet(weights: Weights) -> Reading | None:
    """Read `BasicUNet`: five levels, which max-pooling halves."""
    blocks = ("conv_0.", *(f"down_{level}.convs." for level in range(1, 5)), "upcat_1.convs.")
    found = [weights.get(f"{block}conv_0.conv.weight") for block in blocks]
    final = weights.get("final_conv.weight")
    if final is None or any(one is None for one in found):
        return None
    convolutions = [one for one in found if one is not None]
    norm = _norm(weights, "conv_0.conv_0.adn.N.")
    parameters: dict[str, Any] = {
        "spatial_dims": _spatial_dims(convolutions[0]),
        "in_channels": convolutions[0].shape[1],
        "out_channels": final.shape[0],
        "features": tuple(one.shape[0] for one in convolutions),
        "bias": "conv_0.conv_0.conv.bias" in weights,
        "upsample": _upsampling(weights, "upcat_4.upsample."),
    }
    assumed = []
    if "conv_0.conv_0.adn.A.weight" in weights:
        parameters["act"] = "PRELU"
    else:
        assumed.append("activation: LeakyReLU of slope 0.1 (?act=RELU)")
    if norm is None:
        return Reading(parameters, tuple(assumed), {"norm": "('INSTANCE',{'affine':False})"})
    parameters["norm"] = norm
    if norm == AFFINE_INSTANCE:
        assumed.append(GROUPS_NOTE.format(parameter="norm"))
    return Reading(parameters, tuple(assumed))


def read_dyn_unet(weights: Weights) -> Reading | None:
    """Read `DynUNet`: nnU-Net's, whose up-convolutions have the kernel, and the stride, of their level."""
    downs = ["input_block.", *_numbered(weights, "downsamples."), "bottleneck."]
    ups = _numbered(weights, "upsamples.")
    found = [weights.get(f"{block}conv1.conv.weight") for block in downs]
    up_weights = [weights.get(f"{up}transp_conv.conv.weight") for up in ups]
    output = weights.get("output_block.conv.conv.weight")
    if output is None or any(one is None for one in (*found, *up_weights)) or len(ups) + 1 != len(downs):
        return None
    convolutions = [one for one in found if one is not None]
    up_kernels = [_kernel(one) for one in reversed(up_weights) if one is not None]
    norm = _norm(weights, "input_block.norm1.")
    parameters: dict[str, Any] = {
        "spatial_dims": _spatial_dims(convolutions[0]),
        "in_channels": convolutions[0].shape[1],
        "out_channels": output.shape[0],
        "kernel_size": [_kernel(one) for one in convolutions],
        "strides": [1, *up_kernels],
        "upsample_kernel_size": up_kernels,
        "filters": [one.shape[0] for one in convolutions],
        "res_block": "input_block.conv3.conv.weight" in weights,
        "trans_bias": f"{ups[0]}transp_conv.conv.bias" in weights,
    }
    assumed = []
    if "input_block.lrelu.weight" in weights:
        parameters["act_name"] = "PRELU"
    else:
        assumed.append("activation: LeakyReLU of slope 0.01 (?act_name=RELU)")
    if norm is None:
        return Reading(parameters, tuple(assumed), {"norm_name": "('INSTANCE',{'affine':False})"})
    parameters["norm_name"] = norm
    if norm == AFFINE_INSTANCE:
        assumed.append(GROUPS_NOTE.format(parameter="norm_name"))
    return Reading(parameters, tuple(assumed))


def read_seg_res_net(weights: Weights) -> Reading | None:
    """Read `SegResNet`: residual blocks, of which a level has as many as its numbers count."""
    first, final = weights.get("convInit.conv.weight"), weights.get("conv_final.2.conv.weight")
    if first is None or final is None:
        return None
    downs, ups = _numbered(weights, "down_layers."), _numbered(weights, "up_layers.")
    norm = _norm(weights, "conv_final.0.")
    parameters: dict[str, Any] = {
        "spatial_dims": _spatial_dims(first),
        "init_filters": first.shape[0],
        "in_channels": first.shape[1],
        "out_channels": final.shape[0],
        "blocks_down": tuple(_residual_blocks(weights, layer) for layer in downs),
        "blocks_up": tuple(_residual_blocks(weights, layer) for layer in ups),
        "upsample_mode": _upsampling(weights, "up_samples.0.1."),
    }
    assumed = []
    if "act_mod.weight" in weights:
        parameters["act"] = "PRELU"
    else:
        assumed.append("activation: ReLU (?act=LEAKYRELU)")
    if norm is None:
        return Reading(parameters, tuple(assumed), {"norm": "INSTANCE"})
    if norm == AFFINE_INSTANCE:
        assumed.append(f"normalisation: by {SEGRESNET_GROUPS} groups (?norm=('GROUP',{{'num_groups':4}}))")
        norm = ("GROUP", {"num_groups": SEGRESNET_GROUPS})
    return Reading({**parameters, "norm": norm}, tuple(assumed))


AFFINE_INSTANCE = ("INSTANCE", {"affine": True})
GROUPS_NOTE = "normalisation: of each instance (?{parameter}=('GROUP',{{'num_groups':8}}))"

READERS: Mapping[str, Callable[[Weights], Reading | None]] = {
    "UNet": read_unet,
    "BasicUNet": read_basic_unet,
    "DynUNet": read_dyn_unet,
    "SegResNet": read_seg_res_net,
}
"""For each network of MONAI, what reads its parameters; None where the weights are not its."""


def _unet_strides(
    weights: Weights, downs: list[str], convolutions: list[Tensor]
) -> tuple[tuple[int, ...], bool]:
    """Give the strides, and whether one of them is not seen."""
    strides, unseen = [], False
    for down, convolution in zip(downs, convolutions, strict=False):
        shortcut = weights.get(f"{down}residual.weight")
        if shortcut is not None:
            strides.append(USUAL_STRIDE if _kernel(shortcut) == _kernel(convolution) else 1)
        elif f"{down}conv.unit0.conv.weight" in weights:
            strides.append(1)  # neither size nor channels change
        else:
            strides.append(USUAL_STRIDE)
            unseen = True
    return tuple(strides), unseen


def _norm(weights: Weights, prefix: str) -> Any:
    """Name the normalisation whose parameters begin so, as MONAI does; None where it has none."""
    if f"{prefix}running_mean" in weights:
        return "BATCH"
    return AFFINE_INSTANCE if f"{prefix}weight" in weights else None


def _upsampling(weights: Weights, prefix: str) -> str:
    firsts = _firsts(_under(weights, prefix))
    return next((mode for mode in ("deconv", "pixelshuffle") if mode in firsts), "nontrainable")


def _residual_blocks(weights: Weights, layer: str) -> int:
    return len({name.split(".")[0] for name in _under(weights, layer) if ".conv1." in name})


def _numbered(weights: Weights, prefix: str) -> list[str]:
    """List the prefixes of a module list's parts, in their order."""
    numbers = {int(first) for first in _firsts(_under(weights, prefix)) if re.fullmatch(r"\d{1,3}", first)}
    return [f"{prefix}{number}." for number in sorted(numbers)]


def _firsts(names: list[str]) -> dict[str, None]:
    return dict.fromkeys(name.split(".")[0] for name in names)


def _under(weights: Weights, prefix: str) -> list[str]:
    return [
        name.removeprefix(prefix)
        for name in weights
        if name.startswith(prefix) and not name.endswith(NORM_COUNTER)
    ]


def _spatial_dims(convolution: Tensor) -> int:
    return convolution.ndim - SPATIAL_AXES_AT


def _kernel(convolution: Tensor) -> int | tuple[int, ...]:
    sides = tuple(convolution.shape[SPATIAL_AXES_AT:])
    return sides[0] if len(set(sides)) == 1 else sides

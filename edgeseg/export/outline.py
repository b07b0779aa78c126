"""Say what outputs a network has, and at which strides, without computing anything."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from edgeseg.export.program import RawProgram
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.network import Network
from edgeseg.models.network_outputs import outputs_of

TRIED_SIZE_HW = (256, 256)  # pixels; every usual stride divides it
UNTOLD = "only running it tells"
_UNTOLD = {"heads": UNTOLD, "strides": UNTOLD}


def outline(network: Network) -> dict[str, Any]:
    """List a network's outputs and strides.

    Returns:
        `heads`: for each output its place and channels; `strides`: pixels of the input to one of the output,
        of a detector those of its pyramid.
    """
    own = network.default_size_hw  # the only one that some networks take
    return _outline(network, TRIED_SIZE_HW) or (own and _outline(network, own)) or dict(_UNTOLD)


def _outline(network: Network, size_hw: tuple[int, int]) -> dict[str, Any] | None:
    """List outputs and strides at a size; None if the network fails there."""
    image = torch.zeros((1, *size_hw, network.channels), dtype=torch.uint8, device="meta")
    try:
        program = copy.deepcopy(RawProgram(network)).to("meta")
        with torch.inference_mode():
            if isinstance(program.network, MaskRCNN):
                levels: list[Tensor] = program.network.backbone(program.preprocessing(image))
                return {
                    "heads": ["boxes", "scores", "class_ids", "masks"],
                    "strides": [_stride(level, size_hw) for level in levels],
                }
            outputs = outputs_of(program(image))
    except Exception:  # a network may compute with values that are not there
        return None
    maps = [output for output in outputs if output.tensor.ndim >= len("NHW")]
    return {
        "heads": [f"{output.key or 'output'}: {_channels(output.tensor)}" for output in maps],
        "strides": [_stride(output.tensor, size_hw) for output in maps],
    }


def _stride(tensor: Tensor, size_hw: tuple[int, int]) -> int:
    return max(1, round(size_hw[0] / tensor.shape[-2]))


def _channels(tensor: Tensor) -> str:
    count = tensor.shape[1] if tensor.ndim == len("NCHW") else 1
    return f"{count} channel" + ("s" if count > 1 else "")

"""Tell whether a network's own numbers, not the graph, are why a proof fails: compare it with its float64.

Where activations fall below the smallest normal float32, or cancel each other, PyTorch's own float32 output
is far from what its weights mean, and no two implementations agree on it.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from edgeseg.errors import ExportError
from edgeseg.export.head import as_planes
from edgeseg.export.program import RawProgram
from edgeseg.export.reading import Read
from edgeseg.export.tracing import run_eagerly
from edgeseg.models.network import Network
from edgeseg.models.network_outputs import tensor_at
from edgeseg.proof.underflow import UNDERFLOW

FIX = "check the normalisation (--mean, --std, --divide-by-255) and how the weights were trained"


def refuse_half_precision(network: Network, frame: NDArray[Any]) -> None:
    """Raise ExportError if a layer gives less than float32 for an image (H, W, C): autocast, or .half().

    Rounding to 11 or 8 bits falls differently in every library, and some have no bfloat16.
    """
    found: list[tuple[str, torch.dtype]] = []

    def watch(name: str, layer: nn.Module) -> RemovableHandle:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dtype in (torch.float16, torch.bfloat16):
                found.append((name, output.dtype))

        return layer.register_forward_hook(look)

    watched = [watch(name, layer) for name, layer in network.module.named_modules()]
    try:
        run_eagerly(RawProgram(network).eval(), torch.from_numpy(frame)[None])
    finally:
        for handle in watched:
            handle.remove()
    if found:
        name, dtype = found[0]
        kind = str(dtype).removeprefix("torch.")
        raise ExportError(
            f"the network computes in {kind}, first in {name or 'itself'}, which no graph repeats exactly: "
            "export it in float32 (module.float(), no autocast in forward), and ask edgeseg build for "
            "--precision fp16"
        )


def check_own_error(network: Network, read: Read, frame: NDArray[Any], limit: float) -> None:
    """Refuse a network whose own float32 output is further from float64's than a graph's may be from it.

    Args:
        read: what it gave in float32, that of `frame` first.
        frame: (H, W, C).
        limit: of the largest difference, over the largest value.

    Raises:
        ExportError: naming the first layer whose output underflows, if one does.
    """
    if not np.issubdtype(read.raws[0].dtype, np.floating):
        return
    underflowing: list[str] = []
    try:
        exact = _in_float64(network, read.reading.key, frame, underflowing)
    except Exception:  # a network that insists on float32 cannot be asked
        return
    peak = max(float(np.abs(exact).max()), UNDERFLOW)
    error = float(np.abs(read.raws[0] - exact).max()) / peak
    if error > limit:
        cause = f": the output of {underflowing[0]} is below {UNDERFLOW:.1e}" if underflowing else ""
        raise ExportError(
            "the network's own numbers are not fit for float32, so that no graph can be proven: PyTorch's "
            f"output is {error:.2g} of its largest value away from what PyTorch computes in float64, "
            f"{limit:g} is allowed{cause}; {FIX}"
        )


def _in_float64(network: Network, key: str, frame: NDArray[Any], underflowing: list[str]) -> Any:
    """Run a copy of the network in float64; names the layers whose whole output is too small for float32."""
    program = copy.deepcopy(RawProgram(network)).eval().double()

    def watch(name: str, layer: nn.Module) -> None:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and 0.0 < float(output.abs().max()) < UNDERFLOW:
                underflowing.append(name)

        layer.register_forward_hook(look)

    for name, layer in program.network.named_modules():
        if not any(layer.children()):
            watch(name, layer)
    with torch.inference_mode():
        output = program(torch.from_numpy(frame)[None])
    return as_planes(tensor_at(output, key))[0].numpy()

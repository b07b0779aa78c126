"""Open a TorchScript archive, whose code has been looked through."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from edgeseg.errors import CheckpointError, ExportError
from edgeseg.export.lowering import OPSET
from edgeseg.export.ready.network import Ready
from edgeseg.export.tracing import quiet
from edgeseg.graph.ready_model import GraphInput
from edgeseg.models.checkpoints.torchscript_code import check_torchscript
from edgeseg.models.network_outputs import outputs_of
from edgeseg.reading import reason_of

REFERENCE = "the TorchScript module itself"
IMAGE_CHANNELS = (1, 3)
KERNEL_NDIM = 4  # (out, in, h, w)


def open_torchscript(path: Path) -> Ready:
    """Load an archive on the CPU, in evaluation mode.

    Raises:
        CheckpointError: if its code does more than compute, or it is damaged.
    """
    check_torchscript(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated
            load: Any = torch.jit.load
            module = load(str(path), map_location="cpu").eval()
    except Exception as error:  # a damaged archive makes its reader raise anything
        raise CheckpointError(f"{path} is damaged ({reason_of(error)}); save it again") from error

    def run(image: Tensor) -> Any:
        with torch.inference_mode():
            return module(image)

    def make_graph(shape: tuple[int, ...]) -> onnx.ModelProto:
        return _translated(module, torch.zeros(shape))

    image = GraphInput("image", "float32", "NCHW", (None, _channels(module), None, None))
    return Ready(image, run, make_graph, REFERENCE)


def _channels(module: nn.Module) -> int | None:
    """Tell how many channels an image has: those of the first kernel, if it is one of an image."""
    kernels = (weight for weight in module.state_dict().values() if weight.ndim == KERNEL_NDIM)
    first = next(kernels, None)
    return int(first.shape[1]) if first is not None and first.shape[1] in IMAGE_CHANNELS else None


class _Flat(nn.Module):
    """All tensors of what a module gives: TorchScript's exporter knows no mappings."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(output.tensor for output in outputs_of(self.module(image)))


def _translated(module: nn.Module, image: Tensor) -> onnx.ModelProto:
    """Turn TorchScript into ONNX by PyTorch's own exporter for it, the only one that takes it."""
    try:
        with quiet(), tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
            written = Path(folder) / "graph.onnx"
            trace: Any = torch.jit.trace
            flat: Any = torch.jit.freeze(trace(_Flat(module).eval(), image))
            torch.onnx.export(
                flat, (image,), written, dynamo=False, opset_version=OPSET, input_names=["image"]
            )
            return onnx.load(written)
    except Exception as error:
        raise ExportError(
            f"PyTorch cannot translate the TorchScript module to ONNX: {reason_of(error)}"
        ) from error

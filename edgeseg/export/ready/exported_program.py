"""Open a `.pt2` archive, which has been looked through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor
from torch.export.graph_signature import InputKind

from edgeseg.errors import CheckpointError, ExportError
from edgeseg.export.lowering import OPSET
from edgeseg.export.ready.network import Ready
from edgeseg.export.tracing import quiet
from edgeseg.graph.ready_model import GraphInput
from edgeseg.models.checkpoints.program_parts import check_program
from edgeseg.reading import reason_of

REFERENCE = "the exported program itself, in PyTorch"
IMAGE_NDIM = 4


def open_exported_program(path: Path) -> Ready:
    """Load what `torch.export.save` wrote.

    Raises:
        CheckpointError: if the archive would have anything run, is damaged, or takes no single image.
    """
    check_program(path)
    try:
        with quiet():
            program = torch.export.load(path)
            module: Any = program.module(check_guards=False)
    except Exception as error:  # a damaged archive makes its reader raise anything
        raise CheckpointError(f"{path} is damaged ({reason_of(error)}); make it again") from error
    kinds = [one.arg.name for one in program.graph_signature.input_specs if one.kind == InputKind.USER_INPUT]
    images = [node.meta["val"] for node in program.graph.nodes if node.name in kinds]
    if len(images) != 1 or not isinstance(images[0], Tensor) or images[0].ndim != IMAGE_NDIM:
        raise CheckpointError(f"{path} takes {len(images)} inputs, edgeseg gives one image (N, C, H, W)")
    sizes = tuple(side if isinstance(side, int) else None for side in images[0].shape)
    dtype = str(images[0].dtype).removeprefix("torch.")
    if dtype not in ("float32", "float16", "float64", "uint8"):
        raise CheckpointError(f"{path} takes an image of {dtype}, edgeseg gives floats or bytes")

    def run(image: Tensor) -> Any:
        with torch.inference_mode():
            return module(image)

    def make_graph(shape: tuple[int, ...]) -> onnx.ModelProto:
        return _translated(program)

    return Ready(GraphInput("image", dtype, "NCHW", sizes), run, make_graph, REFERENCE)


def _translated(program: torch.export.ExportedProgram) -> onnx.ModelProto:
    try:
        with quiet():
            made: Any = torch.onnx.export(program, dynamo=True, opset_version=OPSET, verbose=False)
    except Exception as error:
        raise ExportError(f"PyTorch cannot translate the program to ONNX: {reason_of(error)}") from error
    proto: onnx.ModelProto = made.model_proto
    return proto

"""Open an `.onnx` file that somebody else exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from edgeseg.export.ready.network import Ready, RunReady
from edgeseg.graph.ready_model import ReadyModel, image_input, read_ready
from edgeseg.graph.running import open_run
from edgeseg.graph.widening import in_float32, is_in_half_precision

REFERENCE = "the graph as it came, in ONNX Runtime"
WIDENED = "the graph as it came, its half precision widened to float32, in ONNX Runtime"


def open_onnx(path: Path) -> tuple[Ready, ReadyModel]:
    """Open the graph in ONNX Runtime as it came: in its own opset, no node fused or left out.

    A graph in half precision is computed in float32: which way its values round hangs on what is fused, and
    no proof could tell that from a fault. It is held against the one that came, too.

    Raises:
        ExportError: as `read_ready`, or if ONNX Runtime refuses the graph.
        MissingExtraError: if ONNX Runtime is not installed.
    """
    model = read_ready(path)
    run = _opened(model.proto, model)
    if not is_in_half_precision(model.proto):
        return Ready(model.input, run, lambda shape: model.proto, REFERENCE, model.proto), model
    wide = in_float32(model.proto)
    image = image_input(wide, str(path))
    own_type = getattr(torch, model.input.dtype)
    ready = Ready(
        image,
        _opened(wide, model),
        lambda shape: wide,
        WIDENED,
        wide,
        run_half=lambda pixels: run(pixels.to(own_type)),
    )
    return ready, model


def _opened(proto: onnx.ModelProto, model: ReadyModel) -> RunReady:
    run_graph = open_run(proto.SerializeToString(), as_written=True, image=model.input.name)
    names = model.output_names

    def run(image: Tensor) -> Any:
        outputs = run_graph(image.contiguous().numpy())
        tensors = {name: torch.from_numpy(outputs[name].copy()) for name in names}
        return tensors if len(names) > 1 else tensors[names[0]]

    return run

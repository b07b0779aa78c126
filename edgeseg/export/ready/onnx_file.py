"""Open an `.onnx` file that somebody else exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgeseg.export.ready.network import Ready
from edgeseg.graph.ready_model import ReadyModel, read_ready
from edgeseg.graph.running import open_run

REFERENCE = "the graph as it came, in ONNX Runtime"


def open_onnx(path: Path) -> tuple[Ready, ReadyModel]:
    """Open the graph in ONNX Runtime as it came: in its own opset, no node fused or left out.

    Raises:
        ExportError: as `read_ready`, or if ONNX Runtime refuses the graph.
        MissingExtraError: if ONNX Runtime is not installed.
    """
    model = read_ready(path)
    run_graph = open_run(model.proto.SerializeToString(), as_written=True, image=model.input.name)
    names = model.output_names

    def run(image: Tensor) -> Any:
        outputs = run_graph(image.contiguous().numpy())
        tensors = {name: torch.from_numpy(outputs[name].copy()) for name in names}
        return tensors if len(names) > 1 else tensors[names[0]]

    return Ready(model.input, run, lambda shape: model.proto, REFERENCE, model.proto), model

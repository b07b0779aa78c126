"""Describe a network that its file holds whole: what it takes and gives, and how to export it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from edgeseg.cli.inspect_weights import ANY_SIZE, preprocessing

PT2 = ".pt2"


def is_ready(path: Path) -> bool:
    """Tell whether a file is TorchScript, or a program of `torch.export`."""
    from edgeseg.models.checkpoints.torchscript_code import is_torchscript

    return path.is_file() and (path.suffix == PT2 or is_torchscript(path))


def inspect_ready(path: Path) -> dict[str, Any]:
    """Describe an `.onnx` that edgeseg did not make, TorchScript, or a `.pt2`.

    Raises:
        CheckpointError: as `open_whole`.
        ExportError: likewise.
    """
    from edgeseg.export.ready.network import ReadyNetwork
    from edgeseg.export.ready.opening import open_whole
    from edgeseg.graph.ready_model import opset_of

    whole = open_whole(str(path))
    network, module = whole.network, whole.network.module
    assert isinstance(module, ReadyNetwork)
    image, proto = module.ready.input, module.ready.proto
    sizes = "x".join("any" if side is None else str(side) for side in image.sizes)
    height, width = network.default_size_hw or ANY_SIZE
    size = "" if image.size_hw else f" --size {height}x{width}"
    output = shlex.quote(f"{path.stem}-edgeseg.onnx")
    of_graph = (
        {}
        if proto is None
        else {"opset": opset_of(proto), "outputs": [one.name for one in proto.graph.output]}
    )
    return {
        "kind": "a network as a graph",
        "sha256": whole.sha256,
        "task": network.task,
        "input": f"{image.name}: {image.dtype}, {image.layout}, {sizes}",
        **of_graph,
        "preprocessing": preprocessing(network),
        "notes": list(whole.notes),
        "export": f"edgeseg export {shlex.quote(str(path))}{size} -o {output}",
    }

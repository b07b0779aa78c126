"""Open one model in each library whose limits stand in a target, and say what it raised."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from edgeseg.engines.mnn import converter

OPSET_OF_KERNELS = 21  # ONNX Runtime 1.20's highest
_TENSOR = "tensor("
_NARROWED = ("float16", "float")  # ONNX Runtime puts a Cast before kernels of float32 alone


@dataclass(frozen=True)
class Library:
    """A library that opens ONNX files.

    Attributes:
        title, wheel: its makers' name, and the wheel's.
        file: of its table of operators.
        source: what that table was read from.
        open: takes a serialized model; raises whatever the library does.
        types_of: which types of its first input it takes of an operator; empty for any.
        refusal: what its error says of an operator that it has not; "" where each error is one.
    """

    title: str
    wheel: str
    file: str
    source: str
    open: Callable[[bytes], object]
    types_of: Callable[[str], tuple[str, ...]] = lambda name: ()
    refusal: str = ""

    def version(self) -> str:
        """Give the version that is installed."""
        return importlib.metadata.version(self.wheel)

    def is_of_parameters(self, error: str) -> bool:
        """Tell an error about a case from one about its operator."""
        return bool(self.refusal) and self.refusal not in error


def _in_onnxruntime(model: bytes) -> object:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def _in_openvino(model: bytes) -> object:
    openvino: Any = importlib.import_module("openvino")  # it has no types
    core = openvino.Core()
    return core.compile_model(core.read_model(model), "CPU")


def _in_mnn(model: bytes) -> object:
    """Convert in a process of its own, which the converter may end; forked, for there are hundreds."""
    importlib.import_module("_tools")  # once, in what is forked
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.onnx"), Path(folder, "model.mnn")
        source.write_bytes(model)
        child = get_context("fork").Process(target=_convert, args=(source, target))
        child.start()
        child.join()
        if child.exitcode != 0 or not target.exists():
            raise ValueError("its converter refuses the graph")
    return None


def _convert(source: Path, target: Path) -> None:
    """Run MNN's converter, without what it prints."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.argv = ["edgeseg", str(source), str(target)]
    converter.main()


@cache
def _kernels() -> Mapping[str, tuple[str, ...]]:
    """Ask ONNX Runtime's kernels for processors which types of their first input they take."""
    import onnx
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found: dict[str, set[str]] = {}
    for kernel in state.get_all_opkernel_def():
        first, last = kernel.version_range
        if kernel.provider != "CPUExecutionProvider" or kernel.domain:
            continue
        if not first <= OPSET_OF_KERNELS <= last or not onnx.defs.has(kernel.op_name, ""):
            continue
        schema = onnx.defs.get_schema(kernel.op_name, OPSET_OF_KERNELS, "")
        name = schema.inputs[0].type_str if schema.inputs else ""
        constraints: Any = kernel.type_constraints
        found.setdefault(kernel.op_name, set()).update(constraints.get(name, [""]))
    return {name: _types(names) for name, names in found.items()}


def _types(names: set[str]) -> tuple[str, ...]:
    """Name the types of tensors as ONNX does; none for any, and for those that are no tensors."""
    if not all(name.startswith(_TENSOR) for name in names):
        return ()
    plain = {name.removeprefix(_TENSOR).rstrip(")") for name in names}
    return tuple(sorted(plain | set(_NARROWED) if "float" in plain else plain))


LIBRARIES: Mapping[str, Library] = {
    "onnxruntime": Library(
        "ONNX Runtime",
        "onnxruntime",
        "onnxruntime-1.20.json",
        "the kernels of the library itself (get_all_opkernel_def), and ONNX's node test cases opened in it",
        _in_onnxruntime,
        lambda name: _kernels().get(name, ()),
    ),
    "openvino": Library(
        "OpenVINO",
        "openvino",
        "openvino-2025.json",
        "ONNX's node test cases compiled by the library itself",
        _in_openvino,
        refusal="does not support the following ONNX operations",
    ),
    "mnn": Library(
        "MNN",
        "MNN",
        "mnn-3.json",
        "ONNX's node test cases converted by the library itself",
        _in_mnn,
    ),
}

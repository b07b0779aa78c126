"""Ask a library which version numbers of a file it reads, and compare that with those of its target."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import TensorProto, helper

from edgeseg.targets.registry import versioned_targets
from edgeseg.targets.target import Target
from tools.targets.libraries import Library

MODEST_OPSET, MODEST_IR_VERSION = 13, 8  # that every library reads
FAR_OPSET, FAR_IR_VERSION = 30, 16  # above those of any ONNX, for libraries that read them all


def version_faults(backend: str, library: Library) -> Iterator[str]:
    """Name each number of a target of this backend that the library says otherwise."""
    for target in versioned_targets().values():
        if target.backend == backend:
            yield from _faults(target, library)


def _faults(target: Target, library: Library) -> Iterator[str]:
    opset = FAR_OPSET if target.opset is None else target.opset.highest
    ir_version = FAR_IR_VERSION if target.ir_version is None else target.ir_version.highest
    if not _reads(library, opset, MODEST_IR_VERSION):
        yield f"  {target.name}: opset {opset} is refused"
    if target.opset is not None and _reads(library, opset + 1, MODEST_IR_VERSION):
        yield f"  {target.name}: opset {opset + 1} is read"
    if not _reads(library, MODEST_OPSET, ir_version):
        yield f"  {target.name}: IR version {ir_version} is refused"
    if target.ir_version is not None and _reads(library, MODEST_OPSET, ir_version + 1):
        yield f"  {target.name}: IR version {ir_version + 1} is read"


def _reads(library: Library, opset: int, ir_version: int) -> bool:
    """Open a graph of one operator that has been the same for long."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir_version
    try:
        library.open(model.SerializeToString())
    except Exception:  # whatever the library raises of a version that it does not read
        return False
    return True

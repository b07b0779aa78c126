"""Find what an accelerator leaves to the GPU, and whether anything of a network is left for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeseg.graph.view import HEAVY
from edgeseg.spec import Precision
from edgeseg.targets.findings import Finding
from edgeseg.targets.mending import Mending
from edgeseg.targets.quantities import shape_of
from edgeseg.targets.rules.nodes import operator_fault, parameter_fault, place_of
from edgeseg.targets.target import Accelerator

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE)
MOST_AXES = 4
FOR_GPU = "build it for the GPU"


@dataclass(frozen=True)
class Split:
    """Which nodes of a graph an accelerator takes; those that compute no floats are of neither list.

    Attributes:
        moved: why it does not take the others.
    """

    taken: tuple[ir.Node, ...]
    moved: tuple[tuple[ir.Node, str], ...]


def split(model: ir.Model, part: Accelerator, precision: Precision | None) -> Split:
    """Sort the nodes of the main graph; bodies of loops and branches move with their nodes.

    Args:
        precision: that the engine is to have; None for the graph as it is.
    """
    taken, moved = [], []
    for node in model.graph:
        if node.op_type == "Constant" or not _computes_floats(node):
            continue
        why = _why_moved(node, part, precision)
        if why is None:
            taken.append(node)
        else:
            moved.append((node, why))
    return Split(tuple(taken), tuple(moved))


def accelerator_findings(
    model: ir.Model, part: Accelerator, precision: Precision | None, mending: Mending
) -> Iterator[Finding]:
    """Give what is refused: the type of all heavy nodes, or too many parts; and what moves to the GPU."""
    yield from _types_refused(model, part, precision, mending)
    halves = split(model, part, "int8" if precision == "int8" else "fp16")  # once the types are mended
    yield from _parts_refused(halves, part, mending)
    yield from _moved(halves, part)


def _types_refused(
    model: ir.Model, part: Accelerator, precision: Precision | None, mending: Mending
) -> Iterator[Finding]:
    """Refuse all nodes with weights that compute in a type that the accelerator has not."""
    wide = [node for node in model.graph if node.op_type in HEAVY and _is_wide(node, part, precision)]
    if wide:
        why = _types_of(part, wide[0])
        mend = "build it with --precision fp16; ask with inspect --precision fp16 what else there is"
        command, places = mending.build("fp16"), tuple(map(place_of, wide))
        yield Finding("refused", "precision", why, mend, part.types_source, command, places)


def _parts_refused(halves: Split, part: Accelerator, mending: Mending) -> Iterator[Finding]:
    """Refuse a graph of which nothing heavy is left for the accelerator, or too many pieces."""
    command = mending.build("fp16", on_gpu=True)
    if not any(node.op_type in HEAVY for node in halves.taken):
        why, source = f"no layer with weights runs on the {part.name}", part.operators.source
        yield Finding("refused", "operator", why, FOR_GPU, source, command)
        return
    pieces, most = _pieces(halves.taken), part.parts.highest
    if pieces > most:
        why = f"the {part.name} takes {most} parts of a graph; this falls into {pieces} or more"
        yield Finding("refused", "operator", why, FOR_GPU, part.parts.source, command)


def _moved(halves: Split, part: Accelerator) -> Iterator[Finding]:
    """Tell what runs on the GPU."""
    reasons: dict[str, list[ir.Node]] = defaultdict(list)
    for node, why in halves.moved:
        reasons[why].append(node)
    for why, nodes in reasons.items():
        places = tuple(map(place_of, nodes))
        yield Finding("moved", "operator", why, "it runs on the GPU", part.operators.source, None, places)


def _types_of(part: Accelerator, node: ir.Node) -> str:
    return f"the {part.name} computes in {' and '.join(part.types)}, not in {_type_of(node)}"


def _why_moved(node: ir.Node, part: Accelerator, precision: Precision | None) -> str | None:
    missing = operator_fault(node, part.operators, f"the {part.name}")
    if missing is not None:
        return missing
    if _is_wide(node, part, precision):
        return _types_of(part, node)
    size = _size_fault(node, part)
    return size or parameter_fault(node, part.rules, f"the {part.name}")


def _size_fault(node: ir.Node, part: Accelerator) -> str | None:
    for value in (*node.inputs, *node.outputs):
        if value is None or value.is_initializer() or not _is_float(value):
            continue
        shape = shape_of(value)
        if shape is None:
            return f"the {part.name} takes fixed shapes"
        if len(shape) > MOST_AXES:
            return f"the {part.name} takes tensors of up to {MOST_AXES} axes"
        if shape[:1] and shape[0] > part.batch.highest:
            return f"the {part.name} takes up to {part.batch.highest} items at a time"
        if any(side > part.side.highest for side in shape[1:]):
            return f"the {part.name} takes sides of up to {part.side.highest}"
    return None


def _is_wide(node: ir.Node, part: Accelerator, precision: Precision | None) -> bool:
    """Tell whether a node computes in a type that the accelerator has not."""
    kind = _type_of(node)
    if precision in ("fp16", "int8") and kind == "float":
        return "float16" not in part.types
    return kind not in part.types


def _type_of(node: ir.Node) -> str:
    """Name the type of the floats that a node computes with."""
    values = [value for value in (*node.outputs, *node.inputs) if value is not None and _is_float(value)]
    return values[0].dtype.name.lower() if values and values[0].dtype is not None else "float16"


def _is_float(value: ir.Value) -> bool:
    return value.dtype in FLOATS


def _computes_floats(node: ir.Node) -> bool:
    return any(value is not None and _is_float(value) for value in (*node.inputs, *node.outputs))


def _pieces(taken: Sequence[ir.Node]) -> int:
    """Count the connected groups of nodes: each takes one part at least."""
    group = {node: node for node in taken}

    def root(node: ir.Node) -> ir.Node:
        while group[node] is not node:
            group[node] = group[group[node]]
            node = group[node]
        return node

    for node in taken:
        for value in node.inputs:
            maker = None if value is None else value.producer()
            if maker is not None and maker in group:
                group[root(maker)] = root(node)
    return len({id(root(node)) for node in taken})

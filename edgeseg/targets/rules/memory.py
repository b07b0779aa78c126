"""Estimate the memory that a network takes, and name the devices that have less."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import onnx_ir as ir

from edgeseg.graph.view import captured
from edgeseg.spec import Precision
from edgeseg.targets.findings import Finding, Kind
from edgeseg.targets.mending import Mending
from edgeseg.targets.quantities import shape_of
from edgeseg.targets.target import Target

SHRINKS: Mapping[Precision | None, int] = {None: 1, "fp32": 1, "fp16": 2, "int8": 4}
"""By how much floats are smaller in an engine."""

IN_PLACE = frozenset(
    ("Add", "Clip", "Div", "Exp", "LeakyRelu", "Mul", "PRelu", "Relu", "Reshape", "Sigmoid", "Sub", "Tanh")
)
"""Operators that need no memory of their own where nobody else reads what they take."""

MORE = "choose a smaller --size or --batch, --precision fp16, or a device with more memory"
_GIB = 1 << 30


def memory_of(model: ir.Model, precision: Precision | None) -> int:
    """Add up the weights, and the tensors that are alive at once, at most.

    Sizes that are not known count as 0. Libraries need more: for themselves, and as work space of their
    kernels.

    Returns:
        Bytes.
    """
    weights = sum(_bytes(value, precision) for value in model.graph.initializers.values())
    last = dict.fromkeys(model.graph.inputs, -1)
    nodes = list(model.graph)
    for index, node in enumerate(nodes):
        for value in (*_read(node), *node.outputs):
            last[value] = index
    for value in model.graph.outputs:
        last[value] = len(nodes)
    alive = sum(_bytes(value, precision) for value in model.graph.inputs)
    most = alive
    for index, node in enumerate(nodes):
        made = sum(_bytes(value, precision) for value in node.outputs)
        freed = sum(
            _bytes(value, precision)
            for value in {*_read(node), *node.outputs}
            if last[value] == index and not value.is_initializer()
        )
        most = max(most, alive + made - (freed if node.op_type in IN_PLACE else 0))
        alive += made - freed
    return weights + most


def memory_findings(needed: int, target: Target, mending: Mending) -> Iterator[Finding]:
    """Refuse what no device of the target holds, and name those that are too small."""
    small = [device for device in target.devices if device.memory_gb * _GIB < needed]
    if not small:
        return
    names = ", ".join(f"{device.name} ({device.memory_gb:g} GB)" for device in small)
    why = f"weights and tensors take {needed / _GIB:.1f} GiB, more than {names} has"
    kind: Kind = "refused" if len(small) == len(target.devices) else "noted"
    yield Finding(kind, "memory", why, MORE, target.devices_source)


def _read(node: ir.Node) -> Iterator[ir.Value]:
    yield from (value for value in node.inputs if value is not None)
    yield from captured(node)


def _bytes(value: ir.Value, precision: Precision | None) -> int:
    shape = shape_of(value)
    if shape is None or value.dtype is None or value.dtype == ir.DataType.STRING:
        return 0
    size = math.ceil(math.prod(shape) * value.dtype.itemsize)
    return size // SHRINKS[precision] if value.dtype == ir.DataType.FLOAT else size

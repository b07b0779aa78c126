"""Read from a graph what its engine says of each node: its module, and how much it computes and moves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import onnx_ir as ir

from edgeseg.graph.modules import module_of, stored
from edgeseg.graph.view import name_of
from edgeseg.nodes.table import AROUND, GraphNode, NodeTable
from edgeseg.nodes.work import CONVOLUTIONS, flop_of


def node_table(model: ir.Model) -> NodeTable:
    """List all nodes of a model whose types are inferred, those within bodies of loops and branches too."""
    nodes = [_described(node) for node in model.graph.all_nodes() if node.op_type != "Constant"]
    if any(node.module for node in nodes):  # a graph that says modules has no others within the network
        nodes = [node if node.module else replace(node, module=AROUND) for node in nodes]
    return NodeTable(tuple(nodes))


def _described(node: ir.Node) -> GraphNode:
    present = [value for value in node.inputs if value is not None]
    constants = {value: constant for value in present if (constant := stored(value)) is not None}
    data = [value for value in present if value not in constants]
    index = CONVOLUTIONS.get(node.op_type)
    read = node.inputs[index] if index is not None else None
    weight = None if read is None else _shape(constants.get(read, read))  # conversions keep shapes
    first = node.inputs[0] if node.inputs else None
    return GraphNode(
        name=node.name or "",
        operator=node.op_type,
        module=module_of(node),
        inputs=tuple(map(name_of, data)),
        outputs=tuple(map(name_of, node.outputs)),
        flop=flop_of(node.op_type, _shape(first), weight, _shape(next(iter(node.outputs), None))),
        data_bytes=_bytes([*data, *node.outputs]),
        weight_bytes=_bytes(constants.values()) or 0,
        weight_shape=weight,
    )


def _shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """Give a shape; None if one of its sizes is not known."""
    if value is None or value.shape is None:
        return None
    sizes = tuple(size for size in value.shape if isinstance(size, int))
    return sizes if len(sizes) == len(value.shape) else None


def _bytes(values: Iterable[ir.Value]) -> int | None:
    """Add up what values take in memory; None if that of one is not known."""
    total = 0
    for value in values:
        shape = _shape(value)
        if shape is None or value.dtype is None or value.dtype == ir.DataType.STRING:
            return None
        total += math.ceil(math.prod(shape) * value.dtype.itemsize)
    return total

"""Put the nodes of an ONNX graph in an order in which each follows what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Sort in place.

    ONNX wants this order, and ONNX Runtime does without it; tools that turn weights into half precision add
    their casts at the end. A graph with a cycle has no such order, and stays as it is.
    """
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    needed = [{makers[name] for name in _read_by(node) if name in makers} for node in graph.node]
    if all(max(others, default=-1) < number for number, others in enumerate(needed)):
        return
    try:
        order = list(TopologicalSorter(dict(enumerate(needed))).static_order())
    except CycleError:
        return
    nodes = [graph.node[number] for number in order]
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """Name what a node reads, its loop and branch bodies included."""
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                yield from _read_by(inner)

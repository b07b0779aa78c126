"""Put a chain of nodes in the place of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.modules import count_to_module
from edgeseg.graph.passes.constants import constant


class Chain:
    """Nodes that take the place of one, each reading what the one before it gives."""

    def __init__(self, graph: ir.Graph, node: ir.Node, name: str) -> None:
        """Take the node that is replaced, and the beginning of the new nodes' names."""
        self._graph, self._node, self._name = graph, node, name
        self._count = 0

    def add(
        self,
        operator: str,
        inputs: Sequence[ir.Value | None],
        numbers: Sequence[tuple[str, Sequence[int]]] = (),
        **attributes: Any,
    ) -> ir.Value:
        """Add a node with further inputs that are int64 constants, and give its output."""
        name = f"{self._name}.{self._count}"
        self._count += 1
        constants = [
            constant(self._graph, f"{name}.{what}", np.array(values, np.int64)) for what, values in numbers
        ]
        node = ir.node(operator, [*inputs, *constants], attributes, name=name)
        node.metadata_props.update(self._node.metadata_props)
        count_to_module(node, self._node)
        node.outputs[0].name = name
        self._graph.insert_before(self._node, node)
        return node.outputs[0]

    def constant(self, what: str, array: NDArray[Any]) -> ir.Value:
        """Add a constant, to be read by the nodes."""
        return constant(self._graph, f"{self._name}.{what}", array)

    def finish(self, value: ir.Value) -> None:
        """Let the last value take the name and the readers of the replaced node's, and drop that node."""
        ir.convenience.replace_nodes_and_values(
            self._graph, self._node, [self._node], [], self._node.outputs, [value]
        )

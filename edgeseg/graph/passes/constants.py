"""Add constants to a graph, and drop those that nobody reads."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray


def constant(graph: ir.Graph, name: str, array: NDArray[Any]) -> ir.Value:
    """Add an initializer; its name must be new."""
    tensor = ir.tensor(array, name=name)
    kind, shape = ir.TensorType(tensor.dtype), ir.Shape(array.shape)
    value = ir.Value(name=name, type=kind, shape=shape, const_value=tensor)
    graph.register_initializer(value)
    return value


class DropUnreadConstants(ir.passes.InPlacePass):
    """Drop the main graph's initializers that no node reads, those of subgraphs included.

    Requires:
        nothing.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Drop them."""
        constants = model.graph.initializers
        unread = [name for name, value in constants.items() if not value.uses()]
        for name in unread:
            del constants[name]
        return ir.passes.PassResult(model, bool(unread))

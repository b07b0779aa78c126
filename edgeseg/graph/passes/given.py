"""Let a graph compute from given values of tensors that it computed itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.conditions import require_values
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.view import name_of

REPLACED = "replaced."  # before the name of a value that a given one stands for


class ComputeFrom(ir.passes.InPlacePass):
    """Put given values in the place of computed ones, and make other values the graph's outputs.

    Requires:
        a graph that has the values that are to be outputs.
    """

    def __init__(self, given: Mapping[str, NDArray[Any]], outputs: Collection[str]) -> None:
        """Take given values by name, those ignored that the graph does not compute, and names of outputs."""
        super().__init__()
        self._given = given
        self._outputs = outputs

    def requires(self, model: ir.Model) -> None:
        """Check for the outputs."""
        require_values(model, self._outputs, "values to become outputs")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Let readers read the given values, and change the outputs."""
        graph = model.graph
        values = {name_of(value): value for node in graph for value in node.outputs}
        graph.outputs.clear()
        for name, array in self._given.items():
            if (value := values.get(name)) is not None:
                value.name = REPLACED + name
                values[name] = constant(graph, name, array)
                value.replace_all_uses_with(values[name])
        graph.outputs.extend(values[name] for name in self._outputs)
        return ir.passes.PassResult(model, True)

"""Put int8 weights and DequantizeLinear in the place of float32 weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.modules import count_to_module
from edgeseg.graph.passes.conditions import UnfitGraphError
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.view import WEIGHT, weight_of


@dataclass(frozen=True)
class QuantisedWeight:
    """Weights in int8.

    Attributes:
        values: of the weights' shape.
        scales: (C,) float32, of each output channel.
        axis: of the output channels.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    axis: int


class QuantiseWeights(ir.passes.InPlacePass):
    """Let nodes read int8 weights, which a DequantizeLinear at the beginning of the graph scales.

    Requires:
        initializers of the weights' names and shapes.
    """

    def __init__(self, weights: Mapping[str, QuantisedWeight]) -> None:
        """Take the weights by the names of what they take the place of."""
        super().__init__()
        self._weights = weights

    def requires(self, model: ir.Model) -> None:
        """Check names and shapes."""
        for name, weight in self._weights.items():
            value = model.graph.initializers.get(name)
            if value is None:
                raise UnfitGraphError(f"the graph has no weights {name!r}; plan on the model that is changed")
            if value.shape != weight.values.shape:
                raise UnfitGraphError(
                    f"the weights {name!r} are {value.shape}, their int8 values {weight.values.shape}"
                )

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Add constants and nodes, and let layers read them."""
        graph = model.graph
        scaled: dict[str, ir.Node] = {}
        for name, weight in self._weights.items():
            parts = [
                constant(graph, f"{name}.int8", weight.values),
                constant(graph, f"{name}.scale", weight.scales),
                constant(graph, f"{name}.zero", np.zeros(len(weight.scales), np.int8)),
            ]
            output = ir.Value(name=f"{name}.dq")
            axis = ir.AttrInt64("axis", weight.axis)
            scaled[name] = ir.Node("", "DequantizeLinear", parts, [axis], outputs=[output], name=f"{name}.dq")
        for node in graph:
            if len(node.inputs) > WEIGHT and weight_of(node) in scaled:
                scaling = scaled[weight_of(node)]
                count_to_module(scaling, node)
                node.replace_input_with(WEIGHT, scaling.outputs[0])
        if scaled:
            graph.insert_before(graph[0], scaled.values())
        return ir.passes.PassResult(model, bool(scaled))

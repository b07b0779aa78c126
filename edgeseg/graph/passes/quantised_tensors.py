"""Round computed tensors to 8 bits: QuantizeLinear and DequantizeLinear behind what computes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.modules import count_to_module
from edgeseg.graph.passes.conditions import UnfitGraphError
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.view import FLOAT, name_of


@dataclass(frozen=True)
class QuantisedTensor:
    """How a tensor becomes 8 bits, and who reads it so.

    Attributes:
        scale: of a step, float32 ().
        zero: what 0 becomes, int8 or uint8 ().
        readers: nodes, each by the name of its first output.
    """

    scale: NDArray[np.float32]
    zero: NDArray[np.int8] | NDArray[np.uint8]
    readers: Collection[str]


class QuantiseTensors(ir.passes.InPlacePass):
    """Let nodes read tensors that were rounded to 8 bits; others go on reading the tensors as they are.

    Requires:
        float32 tensors that nodes of the graph compute.
    """

    def __init__(self, tensors: Mapping[str, QuantisedTensor]) -> None:
        """Take the tensors by name."""
        super().__init__()
        self._tensors = tensors

    def requires(self, model: ir.Model) -> None:
        """Check that the tensors are computed, in float32."""
        computed = {name_of(value): value for node in model.graph for value in node.outputs}
        for name in self._tensors:
            if name not in computed:
                raise UnfitGraphError(
                    f"nothing in the graph computes {name!r}; plan on the model that is changed"
                )
            if computed[name].dtype != FLOAT:
                raise UnfitGraphError(f"{name!r} is not float32 but {computed[name].dtype}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Add a pair of nodes behind each tensor."""
        for node in tuple(model.graph):
            pairs = [
                part
                for value in node.outputs
                if (tensor := self._tensors.get(name_of(value))) is not None
                for part in _pair(model.graph, value, tensor)
            ]
            model.graph.insert_after(node, pairs)
        return ir.passes.PassResult(model, bool(self._tensors))


def _pair(graph: ir.Graph, value: ir.Value, tensor: QuantisedTensor) -> tuple[ir.Node, ir.Node]:
    """Round a tensor to its 8 bits, make what they stand for, and let its readers read that."""
    name = name_of(value)
    uses = [(node, index) for node, index in value.uses() if name_of(node.outputs[0]) in tensor.readers]
    scale = constant(graph, f"{name}.scale", tensor.scale)
    zero = constant(graph, f"{name}.zero", tensor.zero)
    rounded, scaled = ir.Value(name=f"{name}.q"), ir.Value(name=f"{name}.dq")
    pair = (
        ir.Node("", "QuantizeLinear", [value, scale, zero], outputs=[rounded], name=f"{name}.q"),
        ir.Node("", "DequantizeLinear", [rounded, scale, zero], outputs=[scaled], name=f"{name}.dq"),
    )
    for part in pair:
        count_to_module(part, value.producer())
    for node, index in uses:
        node.replace_input_with(index, scaled)
    return pair

"""Let chosen nodes of a float32 graph compute in float16, and cast where tensors of both types meet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgeseg.graph.modules import count_to_module
from edgeseg.graph.passes.conditions import UnfitGraphError, names_of, require_types, require_values
from edgeseg.graph.view import FLOAT, float_places, name_of

HALF = ir.DataType.FLOAT16

Uses = list[tuple[ir.Node, int]]


class ComputeInHalf(ir.passes.InPlacePass):
    """Change what nodes compute in; inputs, outputs and metadata of the model stay what they are.

    A tensor's old name stays the float32 one's, so that subgraphs need no change; the other is `NAME.fp16`.
    A cast stands only where a tensor is read in both types, one for all readers. Constants are stored in the
    types that they are read in.

    Requires:
        inferred types, and that the nodes read no input of the graph.

    Ensures:
        outputs that are not float16.
    """

    def __init__(self, nodes: Collection[str]) -> None:
        """Take the nodes, each by the name of its first output."""
        super().__init__()
        self._nodes = frozenset(nodes)

    def requires(self, model: ir.Model) -> None:
        """Check types, nodes and inputs."""
        require_types(model)
        require_values(model, self._nodes, "nodes to compute in float16")
        places = self._places(model)
        for value in model.graph.inputs:
            if not value.is_initializer() and _uses(value, places)[0]:
                raise UnfitGraphError(
                    f"{value.name!r}, an input of the graph, would be read in float16; "
                    "compute with it first, as the preprocessing does"
                )

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the constants, then what is computed, in the order of the graph."""
        places = self._places(model)  # as long as all types are the old ones
        taken = names_of(model.graph)
        _store_constants(model.graph, places, taken)
        for node in tuple(model.graph):
            casts = [
                cast
                for value in node.outputs
                if value.dtype == FLOAT and (cast := _split(value, places, taken)) is not None
            ]
            model.graph.insert_after(node, casts)
        return ir.passes.PassResult(model, bool(places))

    def ensures(self, model: ir.Model) -> None:
        """Check the outputs."""
        for value in model.graph.outputs:
            if value.dtype == HALF:
                raise ir.passes.PostconditionError(f"the output {value.name!r} has become float16")

    def _places(self, model: ir.Model) -> dict[ir.Node, list[int]]:
        """Number the inputs that the nodes will read in float16."""
        return {node: float_places(node) for node in model.graph if name_of(node.outputs[0]) in self._nodes}


def _uses(value: ir.Value, places: Mapping[ir.Node, Sequence[int]]) -> tuple[Uses, Uses]:
    """Tell the uses in float16 from the others, those in subgraphs among them."""
    halves: Uses = []
    others: Uses = []
    for node, index in value.uses():
        (halves if index in places.get(node, ()) else others).append((node, index))
    return halves, others


def _store_constants(graph: ir.Graph, places: Mapping[ir.Node, Sequence[int]], taken: set[str]) -> None:
    """Store each constant in the types that it is read in, and none that nobody reads."""
    constants = list(graph.initializers.values())
    graph.initializers.clear()
    for value in constants:
        halves, others = _uses(value, places)
        if halves:
            assert value.const_value is not None
            name = _half_name(value, taken)
            tensor = ir.tensor(value.const_value.numpy().astype(np.float16), name=name)
            half = ir.Value(name=name, type=ir.TensorType(HALF), shape=value.shape, const_value=tensor)
            graph.register_initializer(half)
            _read_instead(half, halves)
        if others or value.is_graph_output():
            graph.register_initializer(value)


def _split(value: ir.Value, places: Mapping[ir.Node, Sequence[int]], taken: set[str]) -> ir.Node | None:
    """Give a float32 output its type, and make the cast to the other one if somebody reads that."""
    halves, others = _uses(value, places)
    name = name_of(value)
    if value.producer() not in places:
        return _cast(value, _half_name(value, taken), HALF, halves) if halves else None
    value.name, value.type = _half_name(value, taken), ir.TensorType(HALF)
    if not others and not value.is_graph_output():
        return None
    cast = _cast(value, name, FLOAT, others)
    assert value.graph is not None
    outputs = value.graph.outputs
    for index, output in enumerate(outputs):
        if output is value:
            outputs[index] = cast.outputs[0]
    return cast


def _cast(source: ir.Value, name: str, to: ir.DataType, uses: Uses) -> ir.Node:
    """Make a cast, and let it be read where `source` was."""
    target = ir.Value(name=name, type=ir.TensorType(to), shape=source.shape)
    attributes = [ir.AttrInt64("to", int(to))]
    node = ir.Node("", "Cast", [source], attributes, outputs=[target], name=f"cast_to_{name}")
    count_to_module(node, source.producer())
    _read_instead(target, uses)
    return node


def _read_instead(value: ir.Value, uses: Uses) -> None:
    for node, index in uses:
        node.replace_input_with(index, value)


def _half_name(value: ir.Value, taken: set[str]) -> str:
    new = f"{value.name}.fp16"
    while new in taken:
        new += "_"
    return new

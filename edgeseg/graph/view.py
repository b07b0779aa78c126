"""Look at a graph as precision does: its layers, and which tensors have the type that a node computes in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

import onnx
import onnx_ir as ir

from edgeseg.manifest import MODULE_KEY

FLOAT = ir.DataType.FLOAT
CLAMPS = frozenset(("Clip", "Relu"))
"""Operators that engines fuse into the layer before them, also in int8."""

ACTIVATIONS = CLAMPS | {"HardSigmoid", "LeakyRelu", "Sigmoid", "Tanh"}
"""Operators that engines fuse into a layer in float."""

HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that hold nearly all arithmetic, where their second input is a constant."""

WEIGHT = 1  # the input of a heavy node that holds its weights
_NETWORK_PREFIX = "network."  # of weights below an exported program
_OPEN_TYPE = "tensor("  # a schema's input of this beginning has one type, of another it follows the node's


@dataclass(frozen=True)
class Layer:
    """Trained weights and the nodes that compute with them; a head that several levels share is one layer.

    Attributes:
        name: the submodule's in its network, such as `backbone.layer1.0.conv1`.
        weight: the initializer's name.
        nodes: names of the nodes.
        outputs: names of what they compute, before and after the activation that follows.
    """

    name: str
    op_type: str
    weight: str
    nodes: tuple[str, ...]
    outputs: tuple[str, ...]


class GraphView:
    """The main graph of a model, subgraphs seen as parts of their nodes. The model must not change meanwhile.

    Args:
        model: with its types inferred; see `passes.types`.
        float32_modules: parts of the network that must stay float32; see `GraphSpec`.

    Attributes:
        nodes: in the order of the graph.
    """

    def __init__(self, model: ir.Model, float32_modules: Collection[str] = ()) -> None:
        self.model = model
        self.nodes = tuple(model.graph)
        self._prefixes = tuple(f"{module}." for module in float32_modules)

    def float_inputs(self, node: ir.Node) -> list[ir.Value]:
        """Give the float32 inputs whose type follows the node's: not the scales of a Resize, for instance."""
        return [value for index in float_places(node) if (value := node.inputs[index]) is not None]

    def float_outputs(self, node: ir.Node) -> list[ir.Value]:
        """Give the float32 outputs."""
        return [value for value in node.outputs if value.dtype == FLOAT]

    def computed_inputs(self, node: ir.Node) -> list[ir.Value]:
        """Give those of `float_inputs` that are no constants."""
        return [value for value in self.float_inputs(node) if not value.is_initializer()]

    def must_stay_float32(self, node: ir.Node) -> bool:
        """Whether a node belongs to a part of the network all of which stays in float32."""
        return f"{node.metadata_props.get(MODULE_KEY, '')}.".startswith(self._prefixes)

    def is_heavy(self, node: ir.Node) -> bool:
        """Whether a node computes with trained weights."""
        if node.op_type not in HEAVY or self.must_stay_float32(node):
            return False
        weight = node.inputs[WEIGHT]
        return weight is not None and weight.is_initializer() and weight.dtype == FLOAT

    def readers(self, value: ir.Value) -> list[ir.Node]:
        """List the nodes of the main graph that read a value, twice if they read it twice."""
        return [use.node for use in value.uses() if use.node.graph is self.model.graph]

    def settled(self, node: ir.Node) -> ir.Value:
        """Give a layer's output after the clamp that is fused into it, if there is one."""
        return self._after(node, CLAMPS)

    def _after(self, node: ir.Node, fused: Collection[str]) -> ir.Value:
        value = node.outputs[0]
        readers = self.readers(value)
        if len(readers) == 1 and readers[0].op_type in fused:
            value = readers[0].outputs[0]
        return value

    def nodes_of(self, layer: Layer) -> list[ir.Node]:
        """Give a layer's nodes, which need no names."""
        return [node for node in self.nodes if self.is_heavy(node) and weight_of(node) == layer.weight]

    def layers(self) -> list[Layer]:
        """Gather the heavy nodes by their weights, in the order of the graph."""
        nodes: dict[str, list[ir.Node]] = defaultdict(list)
        for node in filter(self.is_heavy, self.nodes):
            nodes[weight_of(node)].append(node)
        return [
            Layer(
                weight.removeprefix(_NETWORK_PREFIX).removesuffix(".weight"),
                users[0].op_type,
                weight,
                tuple(node.name or "" for node in users),
                tuple(
                    dict.fromkeys(
                        name_of(value)
                        for node in users
                        for value in (node.outputs[0], self._after(node, ACTIVATIONS))
                    )
                ),
            )
            for weight, users in nodes.items()
        ]


def name_of(value: ir.Value | None) -> str:
    """Name a value; "" stands for an input that is left out."""
    return "" if value is None else value.name or ""


def weight_of(node: ir.Node) -> str:
    """Name the weights of a heavy node."""
    return name_of(node.inputs[WEIGHT])


def float_places(node: ir.Node) -> list[int]:
    """Number the float32 inputs of a main graph's node whose type follows the node's."""
    assert node.graph is not None
    follows = _follows_type(node.op_type, node.domain, node.graph.opset_imports[""])
    last = len(follows) - 1  # stands for all further ones of a variadic operator
    return [
        index
        for index, value in enumerate(node.inputs)
        if value is not None and value.dtype == FLOAT and follows[min(index, last)]
    ]


@cache
def _follows_type(op_type: str, domain: str, opset: int) -> tuple[bool, ...]:
    """Say of each input of an operator whether its type follows the node's."""
    schema = onnx.defs.get_schema(op_type, opset, domain)
    return tuple(not formal.type_str.startswith(_OPEN_TYPE) for formal in schema.inputs)


def subgraphs(node: ir.Node) -> Iterator[ir.Graph]:
    """Give the bodies of a loop or of branches."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def captured(node: ir.Node) -> Iterator[ir.Value]:
    """Give what a node's subgraphs read; their own values are among them, and do no harm."""
    for graph in subgraphs(node):
        for inner in graph:
            yield from (value for value in inner.inputs if value is not None)
            yield from captured(inner)
        yield from graph.outputs

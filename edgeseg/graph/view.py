"""Look at an ONNX graph from its tensors: who makes and who reads them, their types and their shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgeseg.bundle import DENSE_CRF, MODULE_KEY

FLOAT = onnx.TensorProto.FLOAT
CLAMPS = frozenset(("Clip", "Relu"))
"""Operators that engines fuse into the layer before them, also in int8."""

ACTIVATIONS = CLAMPS | {"HardSigmoid", "LeakyRelu", "Sigmoid", "Tanh"}
"""Operators that engines fuse into a layer in float."""

HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that hold nearly all arithmetic, where their second input is a constant."""

_WEIGHT = 1  # the input of a heavy node that holds its weights
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

    Attributes:
        constants: initializers by name.
        producers: node by the name of its output.
        types: element types of all tensors that shape inference knows.
        shapes: sizes, None where they depend on the data.
        outer: names that somebody outside the main graph's nodes reads: outputs, and what subgraphs capture.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.opset = next(entry.version for entry in model.opset_import if entry.domain == "")
        inferred = onnx.shape_inference.infer_shapes(_without_weights(model)).graph
        self.nodes = list(model.graph.node)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producers = {name: node for node in self.nodes for name in node.output if name}
        self.consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        self.outer = {output.name for output in model.graph.output}
        for node in self.nodes:
            for name in node.input:
                self.consumers[name].append(node)
            self.outer.update(captured(node))
        self.types = {name: tensor.data_type for name, tensor in self.constants.items()}
        self.shapes: dict[str, tuple[int | None, ...]] = {}
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            tensor = value.type.tensor_type
            self.types[value.name] = tensor.elem_type
            if tensor.HasField("shape"):
                self.shapes[value.name] = tuple(
                    dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim
                )

    def float_inputs(self, node: onnx.NodeProto) -> list[str]:
        """Name the float32 inputs whose type follows the node's: not the scales of a Resize, for instance."""
        schema = onnx.defs.get_schema(node.op_type, self.opset, node.domain)
        last = len(schema.inputs) - 1  # stands for all further ones of a variadic operator
        return [
            name
            for index, name in enumerate(node.input)
            if self.types.get(name) == FLOAT
            and not schema.inputs[min(index, last)].type_str.startswith(_OPEN_TYPE)
        ]

    def float_outputs(self, node: onnx.NodeProto) -> list[str]:
        """Name the float32 outputs."""
        return [name for name in node.output if self.types.get(name) == FLOAT]

    def constant(self, name: str) -> NDArray[np.generic]:
        """Read an initializer."""
        return numpy_helper.to_array(self.constants[name])

    def is_heavy(self, node: onnx.NodeProto) -> bool:
        """Whether a node computes with trained weights."""
        return (
            node.op_type in HEAVY
            and not is_dense_crf(node)
            and node.input[_WEIGHT] in self.constants
            and self.types[node.input[_WEIGHT]] == FLOAT
        )

    def settled(self, node: onnx.NodeProto) -> str:
        """Name a layer's output after the clamp that is fused into it, if there is one."""
        return self._after(node, CLAMPS)

    def _after(self, node: onnx.NodeProto, fused: Collection[str]) -> str:
        name: str = node.output[0]
        consumers = self.consumers[name]
        if len(consumers) == 1 and consumers[0].op_type in fused:
            name = consumers[0].output[0]
        return name

    @staticmethod
    def all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
        """Walk nodes and those of their subgraphs."""
        for node in nodes:
            yield node
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    yield from GraphView.all_nodes(graph.node)

    def layers(self) -> list[Layer]:
        """Gather the heavy nodes by their weights, in the order of the graph."""
        nodes: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in filter(self.is_heavy, self.nodes):
            nodes[node.input[_WEIGHT]].append(node)
        return [
            Layer(
                _layer_name(weight),
                users[0].op_type,
                weight,
                tuple(node.name for node in users),
                tuple(
                    dict.fromkeys(
                        name for node in users for name in (node.output[0], self._after(node, ACTIVATIONS))
                    )
                ),
            )
            for weight, users in nodes.items()
        ]


def is_dense_crf(node: onnx.NodeProto) -> bool:
    """Whether a node belongs to the graph's CRF, all of which stays in float32.

    Its squared distances are small differences of large products, row sums of its kernel exceed 65504, and
    its smoothing matrices look like trained weights, but are none.
    """
    module = next((entry.value for entry in node.metadata_props if entry.key == MODULE_KEY), "")
    return module.split(".")[0] == DENSE_CRF


def _layer_name(weight: str) -> str:
    return weight.removeprefix(_NETWORK_PREFIX).removesuffix(".weight")


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model with its large initializers as inputs: shape inference would copy the weights about."""
    bare = onnx.ModelProto()
    bare.ir_version = model.ir_version
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    bare.graph.name = model.graph.name
    bare.graph.node.extend(model.graph.node)
    bare.graph.input.extend(model.graph.input)
    bare.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if tensor.data_type == FLOAT:
            bare.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, FLOAT, tuple(tensor.dims))
            )
        else:
            bare.graph.initializer.append(tensor)
    return bare


def captured(node: onnx.NodeProto) -> Iterator[str]:
    """Name what a node's subgraphs read; their own tensors are among them, and do no harm."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from inner.input
                yield from captured(inner)
            yield from (output.name for output in graph.output)

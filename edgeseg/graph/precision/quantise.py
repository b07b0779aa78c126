"""Turn a float32 graph into one with QuantizeLinear and DequantizeLinear around what shall compute in int8.

Weights are int8, symmetric, with a scale for each output channel; activations int8, symmetric, with one
scale; biases stay float (TensorRT refuses DequantizeLinear of int32). Quantised are the inputs of
convolutions and of matrix products with trained weights, and between them the inputs of residual additions
and concatenations, so that engines can fuse them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgeseg.graph.passes.padded_pools import with_fixed_pools
from edgeseg.graph.precision.ranges import LEVELS
from edgeseg.graph.precision.report import Kept
from edgeseg.graph.precision.weights import adds_pairs, quantised_weights
from edgeseg.graph.view import CLAMPS, GraphView, is_dense_crf
from edgeseg.spec import Int8Scheme

MOVES = frozenset(
    (
        *("DepthToSpace", "Expand", "Flatten", "MaxPool", "Reshape"),
        *("Slice", "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze"),
    )
)
"""Operators that give back values they are given: the same scale fits before and after."""

SMOOTH = frozenset(
    (
        *("AveragePool", "GlobalAveragePool", "HardSigmoid", "HardSwish", "LeakyRelu"),
        *("Mul", "Pad", "ReduceMean", "Resize"),
    )
)
JOINS = frozenset(("Add", "Concat"))
BETWEEN = MOVES | CLAMPS | SMOOTH | JOINS
"""Operators through which int8 goes on from layer to layer."""

KEEP_SIGN = MOVES | {"AveragePool", "Concat", "GlobalAveragePool", "ReduceMean", "Resize"}

_ACTIVATION, _WEIGHT = 0, 1  # inputs of a heavy node
_MIDDLE = 128  # the zero of unsigned tensors that hold negative values, too
_LEVELS_UNSIGNED = 255  # of unsigned tensors that do not


@dataclass(frozen=True)
class Plan:
    """What is quantised.

    Attributes:
        readers: for each quantised tensor the nodes that read it so, by id.
        source: for each quantised tensor the one whose scale it has, often itself.
        weights: name and axis of the output channels.
        float_layers: why layers stay in float, besides those that were to.
    """

    readers: Mapping[str, frozenset[int]]
    source: Mapping[str, str]
    weights: Mapping[str, int]
    float_layers: tuple[Kept, ...]


def plan(view: GraphView, scheme: Int8Scheme, float_layers: Collection[str] = ()) -> Plan:
    """Decide what to quantise so that all layers but `float_layers` compute in int8."""
    both_ends = scheme == "unsigned_io"
    layers = view.layers()
    kept: list[Kept] = []
    if both_ends:
        reason = "ONNX Runtime has no int8 kernel for it on CPUs"
        kept += [Kept(layer.name, reason) for layer in layers if layer.op_type == "ConvTranspose"]
    in_float = {*float_layers, *(entry.name for entry in kept)}
    layer_of = {name: layer for layer in layers for name in layer.nodes}
    while True:
        int8 = {
            id(node)
            for node in view.nodes
            if node.name in layer_of and layer_of[node.name].name not in in_float
        }
        region = _region(view, int8)
        readers = _readers(view, int8, region, both_ends)
        if not both_ends:
            break
        readers = {name: {id(node) for node in view.consumers[name]} for name in readers}
        ends = [
            layer.name
            for layer in layers
            if layer.name not in in_float
            and any(view.settled(node) not in readers for node in view.nodes if node.name in layer.nodes)
        ]
        if not ends:
            break
        # what these read is to be quantised only where a layer in int8 computes it: plan without them
        kept += [Kept(name, "nothing that reads its output computes in int8") for name in ends]
        in_float.update(ends)
    source = {name: name for name in readers}
    for node in view.nodes:
        if node.op_type in MOVES and id(node) in region and node.output[0] in readers:
            source[node.output[0]] = source[node.input[0]]
    return Plan(
        {name: frozenset(ids) for name, ids in readers.items()},
        source,
        {node.input[_WEIGHT]: _channel_axis(view, node) for node in view.nodes if id(node) in int8},
        tuple(kept),
    )


def _region(view: GraphView, int8: set[int]) -> set[int]:
    """Find the nodes that int8 comes from, or passes through."""
    region = set(int8)
    for node in view.nodes:
        computed = _computed(view, node)
        comes_from_int8 = bool(computed) and all(id(view.producers.get(name)) in region for name in computed)
        if node.op_type in BETWEEN and not is_dense_crf(node) and comes_from_int8:
            region.add(id(node))
    return region


def _readers(view: GraphView, int8: set[int], region: set[int], both_ends: bool) -> dict[str, set[int]]:
    """Find, from the end, the tensors to quantise, and who reads them so."""
    readers: dict[str, set[int]] = {}
    wanted: set[str] = set()  # tensors that are quantised, or become so after a clamp
    for node in reversed(view.nodes):
        computed = _computed(view, node)
        follows = both_ends and view.is_heavy(node) and id(view.producers.get(computed[0])) in region
        is_layer = id(node) in int8 or follows
        is_between = id(node) in region and wanted.intersection(node.output)
        if not (is_layer or is_between):
            continue
        wanted.update(computed)
        if (
            is_layer
            or node.op_type in MOVES
            or _is_join(view, node)
            or (both_ends and node.op_type not in CLAMPS)
        ):
            for name in computed:
                readers.setdefault(name, set()).add(id(node))
    if both_ends:  # a join with a float layer must not make the int8 layer on its other side float, too
        for node in view.nodes:
            settled = view.settled(node) if id(node) in int8 else ""
            joins = {id(reader) for reader in view.consumers[settled] if _is_join(view, reader)}
            if joins:
                readers.setdefault(settled, set()).update(joins)
    return readers


def quantise(
    model: onnx.ModelProto,
    view: GraphView,
    thresholds: Mapping[str, float],
    scheme: Int8Scheme = "symmetric",
    float_layers: Collection[str] = (),
    *,
    narrow: bool = False,
) -> onnx.ModelProto:
    """Convert a model; inputs, outputs and metadata stay what they are.

    Args:
        model: float32; it is not changed.
        view: of the model.
        thresholds: largest magnitude to represent of each tensor in the `Plan` without `float_layers`.
        float_layers: names of layers to leave in float.
        narrow: no two products may overflow 16 bits, where a kernel adds two; see `weights`.
    """
    planned = plan(view, scheme, float_layers)
    adding_pairs = {node.input[_WEIGHT] for node in view.nodes if _adds_pairs(view, node)}
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    for weight, axis in planned.weights.items():
        values, scales = quantised_weights(
            view.constant(weight), axis, narrow=narrow and weight in adding_pairs
        )
        constants += [
            numpy_helper.from_array(values, f"{weight}.int8"),
            numpy_helper.from_array(scales, f"{weight}.scale"),
            numpy_helper.from_array(np.zeros(len(scales), np.int8), f"{weight}.zero"),
        ]
        inputs = [f"{weight}.int8", f"{weight}.scale", f"{weight}.zero"]
        nodes.append(_node("DequantizeLinear", inputs, f"{weight}.dq", axis=axis))
    positive = _never_negative(view)

    def pair(name: str) -> list[onnx.NodeProto]:
        """Round a tensor to its 8 bits, and make what they stand for."""
        source = planned.source[name]
        levels, zero = LEVELS, np.array(0, np.int8)
        if scheme != "symmetric":
            levels, zero = (
                (_LEVELS_UNSIGNED, np.array(0, np.uint8))
                if source in positive
                else (LEVELS, np.array(_MIDDLE, np.uint8))
            )
        scale = np.array(thresholds[source] / levels, np.float32)
        constants.append(numpy_helper.from_array(scale, f"{name}.scale"))
        constants.append(numpy_helper.from_array(zero, f"{name}.zero"))
        return [
            _node("QuantizeLinear", [name, f"{name}.scale", f"{name}.zero"], f"{name}.q"),
            _node("DequantizeLinear", [f"{name}.q", f"{name}.scale", f"{name}.zero"], f"{name}.dq"),
        ]

    for old in view.nodes:
        node = onnx.NodeProto()
        node.CopyFrom(old)
        for index, name in enumerate(node.input):
            if id(old) in planned.readers.get(name, ()) or (index == _WEIGHT and name in planned.weights):
                node.input[index] = f"{name}.dq"
        nodes.append(node)
        for name in node.output:
            if name in planned.readers:
                nodes += pair(name)
    if scheme == "unsigned":
        nodes, further = with_fixed_pools(nodes)
        constants += further
    return _assemble(model, nodes, constants)


def _adds_pairs(view: GraphView, node: onnx.NodeProto) -> bool:
    return view.is_heavy(node) and adds_pairs(node, view.constants[node.input[_WEIGHT]])


def _never_negative(view: GraphView) -> set[str]:
    """Name the tensors that come from a ReLU or a ReLU6, perhaps by way of operators that keep the sign."""
    positive: set[str] = set()
    for node in view.nodes:
        computed = _computed(view, node)
        keeps = node.op_type in KEEP_SIGN and computed and positive.issuperset(computed)
        if keeps or node.op_type in ("HardSigmoid", "Relu") or _clips_at_zero(view, node):
            positive.update(node.output)
    return positive


def _clips_at_zero(view: GraphView, node: onnx.NodeProto) -> bool:
    """Whether a node is a Clip whose least value is known and not negative, as ReLU6's."""
    has_least = node.op_type == "Clip" and len(node.input) > 1 and node.input[1] in view.constants
    return has_least and float(view.constant(node.input[1]).min()) >= 0.0


def _is_join(view: GraphView, node: onnx.NodeProto) -> bool:
    return node.op_type in JOINS and len(_computed(view, node)) > 1


def _computed(view: GraphView, node: onnx.NodeProto) -> list[str]:
    return [name for name in view.float_inputs(node) if name not in view.constants]


def _channel_axis(view: GraphView, node: onnx.NodeProto) -> int:
    """Find the axis of a weight that its output channels are on."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return len(view.constants[node.input[_WEIGHT]].dims) - 1  # MatMul


def _node(op_type: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, [output], name=output, **attributes)


def _assemble(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]
) -> onnx.ModelProto:
    """Put nodes and constants into a copy of the model, and drop the constants that nobody reads now."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.node[:], made.graph.value_info[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    read = {name for node in GraphView.all_nodes(nodes) for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    made.graph.initializer.extend([*kept, *constants])
    return made

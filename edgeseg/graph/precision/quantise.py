"""Choose what of a float32 graph computes in int8, and put QuantizeLinear and DequantizeLinear around it.

Weights are int8, symmetric, with a scale for each output channel; activations int8, symmetric, with one
scale; biases stay float (TensorRT refuses DequantizeLinear of int32). Quantised are the inputs of
convolutions and of matrix products with trained weights, and between them the inputs of residual additions
and concatenations, so that engines can fuse them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeseg.graph.passes.constants import DropUnreadConstants
from edgeseg.graph.passes.padded_pools import FixPaddedPools
from edgeseg.graph.passes.quantised_tensors import QuantisedTensor, QuantiseTensors
from edgeseg.graph.passes.quantised_weights import QuantisedWeight, QuantiseWeights
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.precision.ranges import LEVELS
from edgeseg.graph.precision.report import Kept
from edgeseg.graph.precision.weights import adds_pairs, quantised_weights
from edgeseg.graph.view import CLAMPS, WEIGHT, GraphView, name_of, weight_of
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

_MIDDLE = 128  # the zero of unsigned tensors that hold negative values, too
_LEVELS_UNSIGNED = 255  # of unsigned tensors that do not


@dataclass(frozen=True)
class Plan:
    """What is quantised.

    Attributes:
        readers: for each quantised tensor the nodes that read it so, each by the name of its first output.
        source: for each quantised tensor the one whose scale it has, often itself.
        weights: name and axis of the output channels.
        float_layers: why layers stay in float, besides those that were to.
    """

    readers: Mapping[str, frozenset[str]]
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
    parts = [(layer.name, view.nodes_of(layer)) for layer in layers]
    while True:
        int8 = {node for name, nodes in parts if name not in in_float for node in nodes}
        region = _region(view, int8)
        readers = _readers(view, int8, region, both_ends)
        if not both_ends:
            break
        readers = {value: set(view.readers(value)) for value in readers}
        ends = [
            name
            for name, nodes in parts
            if name not in in_float and any(view.settled(node) not in readers for node in nodes)
        ]
        if not ends:
            break
        # what these read is to be quantised only where a layer in int8 computes it: plan without them
        kept += [Kept(name, "nothing that reads its output computes in int8") for name in ends]
        in_float.update(ends)
    source = {value: value for value in readers}
    for node in view.nodes:
        if node.op_type in MOVES and node in region and node.outputs[0] in readers:
            moved = node.inputs[0]
            assert moved is not None
            source[node.outputs[0]] = source[moved]
    return Plan(
        {name_of(value): frozenset(map(_first_output, nodes)) for value, nodes in readers.items()},
        {name_of(value): name_of(origin) for value, origin in source.items()},
        {weight_of(node): _channel_axis(node) for node in view.nodes if node in int8},
        tuple(kept),
    )


def _region(view: GraphView, int8: set[ir.Node]) -> set[ir.Node]:
    """Find the nodes that int8 comes from, or passes through."""
    region = set(int8)
    for node in view.nodes:
        computed = view.computed_inputs(node)
        comes_from_int8 = bool(computed) and all(value.producer() in region for value in computed)
        if node.op_type in BETWEEN and not view.must_stay_float32(node) and comes_from_int8:
            region.add(node)
    return region


def _readers(
    view: GraphView, int8: set[ir.Node], region: set[ir.Node], both_ends: bool
) -> dict[ir.Value, set[ir.Node]]:
    """Find, from the end, the tensors to quantise, and who reads them so."""
    readers: dict[ir.Value, set[ir.Node]] = {}
    wanted: set[ir.Value] = set()  # tensors that are quantised, or become so after a clamp
    for node in reversed(view.nodes):
        computed = view.computed_inputs(node)
        follows = both_ends and view.is_heavy(node) and computed[0].producer() in region
        is_layer = node in int8 or follows
        is_between = node in region and wanted.intersection(node.outputs)
        if not (is_layer or is_between):
            continue
        wanted.update(computed)
        if (
            is_layer
            or node.op_type in MOVES
            or _is_join(view, node)
            or (both_ends and node.op_type not in CLAMPS)
        ):
            for value in computed:
                readers.setdefault(value, set()).add(node)
    if both_ends:  # a join with a float layer must not make the int8 layer on its other side float, too
        for node in view.nodes:
            if node not in int8:
                continue
            settled = view.settled(node)
            if joins := {reader for reader in view.readers(settled) if _is_join(view, reader)}:
                readers.setdefault(settled, set()).update(joins)
    return readers


def quantise(
    view: GraphView,
    thresholds: Mapping[str, float],
    scheme: Int8Scheme = "symmetric",
    float_layers: Collection[str] = (),
    *,
    narrow: bool = False,
) -> ir.passes.PassResult:
    """Convert a model, which is not changed; inputs, outputs and metadata stay what they are.

    Args:
        view: of the float32 model.
        thresholds: largest magnitude to represent of each tensor in the `Plan` without `float_layers`.
        float_layers: names of layers to leave in float.
        narrow: no two products may overflow 16 bits, where a kernel adds two; see `weights`.
    """
    planned = plan(view, scheme, float_layers)
    return changed(
        view.model,
        QuantiseWeights(_weights(view, planned, narrow=narrow)),
        QuantiseTensors(_tensors(view, planned, thresholds, scheme)),
        *([FixPaddedPools()] if scheme == "unsigned" else []),
        DropUnreadConstants(),
    )


def _weights(view: GraphView, planned: Plan, *, narrow: bool) -> dict[str, QuantisedWeight]:
    """Quantise the weights of a plan."""
    constants = view.model.graph.initializers
    adding_pairs = {weight_of(node) for node in view.nodes if view.is_heavy(node) and adds_pairs(node)}
    weights: dict[str, QuantisedWeight] = {}
    for name, axis in planned.weights.items():
        tensor = constants[name].const_value
        assert tensor is not None
        values, scales = quantised_weights(tensor.numpy(), axis, narrow=narrow and name in adding_pairs)
        weights[name] = QuantisedWeight(values, scales, axis)
    return weights


def _tensors(
    view: GraphView, planned: Plan, thresholds: Mapping[str, float], scheme: Int8Scheme
) -> dict[str, QuantisedTensor]:
    """Choose scale and zero of each tensor of a plan."""
    positive = {name_of(value) for value in _never_negative(view)}
    tensors: dict[str, QuantisedTensor] = {}
    for name, readers in planned.readers.items():
        source = planned.source[name]
        levels, zero = LEVELS, np.array(0, np.int8)
        if scheme != "symmetric":
            levels, zero = (
                (_LEVELS_UNSIGNED, np.array(0, np.uint8))
                if source in positive
                else (LEVELS, np.array(_MIDDLE, np.uint8))
            )
        scale = np.array(thresholds[source] / levels, np.float32)
        tensors[name] = QuantisedTensor(scale, zero, readers)
    return tensors


def _never_negative(view: GraphView) -> set[ir.Value]:
    """Find the tensors that come from a ReLU or a ReLU6, perhaps by way of operators that keep the sign."""
    positive: set[ir.Value] = set()
    for node in view.nodes:
        computed = view.computed_inputs(node)
        keeps = node.op_type in KEEP_SIGN and computed and positive.issuperset(computed)
        if keeps or node.op_type in ("HardSigmoid", "Relu") or _clips_at_zero(node):
            positive.update(node.outputs)
    return positive


def _clips_at_zero(node: ir.Node) -> bool:
    """Whether a node is a Clip whose least value is known and not negative, as ReLU6's."""
    least = node.inputs[1] if node.op_type == "Clip" and len(node.inputs) > 1 else None
    if least is None or not least.is_initializer() or least.const_value is None:
        return False
    return float(least.const_value.numpy().min()) >= 0.0


def _is_join(view: GraphView, node: ir.Node) -> bool:
    return node.op_type in JOINS and len(view.computed_inputs(node)) > 1


def _channel_axis(node: ir.Node) -> int:
    """Find the axis of a weight that its output channels are on."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm":
        return 0 if node.attributes.get_int("transB", 0) else 1
    weight = node.inputs[WEIGHT]
    assert weight is not None
    assert weight.shape is not None
    return len(weight.shape) - 1  # MatMul


def _first_output(node: ir.Node) -> str:
    return name_of(node.outputs[0])

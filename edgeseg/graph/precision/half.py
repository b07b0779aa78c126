"""Turn a float32 graph into one that computes in float16 where that is safe, by rule and by measurement.

Heavy layers (convolutions, and matrix products with trained weights) compute in float16, and what follows
them and neither sums many values nor computes with coordinates or probabilities follows. Everything else
stays as it is: preprocessing, softmax and sigmoid, exponentials, box decoding, sums, ranking, suppression,
sampling at coordinates, the dense CRF, and subgraphs. A cast stands only where the type changes, one for all
readers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, MutableSequence

import numpy as np
import onnx
from onnx import numpy_helper

from edgeseg.graph.precision.report import Kept
from edgeseg.graph.view import FLOAT, GraphView, captured, is_dense_crf

HALF = onnx.TensorProto.FLOAT16
LARGEST_HALF = 65504.0
SAFE_SHARE = 0.25  # of LARGEST_HALF that calibration images may reach: others reach further

FOLLOWS = frozenset(
    (
        *("Add", "ArgMax", "AveragePool", "BatchNormalization", "Clip", "Concat", "DepthToSpace", "Expand"),
        *("Flatten", "HardSigmoid", "HardSwish", "LeakyRelu", "MaxPool", "Mul", "PRelu", "Pad", "Relu"),
        *("Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Sub", "Transpose", "Unsqueeze"),
    )
)
"""Operators that compute in float16 if all that they compute with is float16."""

REASONS: Mapping[str, Iterable[str]] = {
    "exponentials and probabilities": ("Exp", "Log", "LogSoftmax", "Sigmoid", "Softmax", "Softplus"),
    "sums over many values": (
        "GlobalAveragePool",
        "InstanceNormalization",
        "LayerNormalization",
        "ReduceL2",
        "ReduceMean",
        "ReduceSum",
    ),
    "samples at coordinates; features and coordinates have one type": ("GridSample", "RoiAlign"),
    "ranking and suppression of boxes": ("NonMaxSuppression", "TopK"),
    "a subgraph is left whole": ("If", "Loop", "Scan"),
    "a product of two computed matrices": ("MatMul",),
}
"""Why operators stay in float32 by rule; the others stay because they compute with what these make."""

_REASON_OF = {op_type: reason for reason, op_types in REASONS.items() for op_type in op_types}
_PREPROCESSING = "before the first layer: pixels are scaled"
_DENSE_CRF = "the dense CRF: distances, norms and probabilities"
_FOLLOWS_FLOAT = "computes with coordinates, scores or other float32 values"


def to_half(
    model: onnx.ModelProto, view: GraphView, peaks: Mapping[str, float]
) -> tuple[onnx.ModelProto, list[Kept], list[Kept]]:
    """Convert a model; inputs, outputs and metadata stay what they are.

    Args:
        model: float32; it is not changed.
        view: of the model.
        peaks: largest magnitude of tensors on calibration images, of all `half_candidates`.

    Returns:
        the converted model, and what stays in float32: tensors by measurement, operators by rule.
    """
    kept = _measured(view, peaks)
    half = _half_nodes(view, {entry.name for entry in kept})
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    _rewrite(converted, view, half)
    return converted, kept, _kept_by_rule(view, half)


def half_candidates(view: GraphView) -> list[str]:
    """Name the computed tensors that would be float16 if their range allows it: those to measure."""
    return [name for name in _half_tensors(view) if name not in view.constants]


def half_layers(view: GraphView, kept: Iterable[Kept]) -> set[str]:
    """Name the layers that compute in float16 where `kept` stays float32."""
    half = _half_nodes(view, {entry.name for entry in kept})
    nodes = {node.name for node in view.nodes if id(node) in half}
    return {layer.name for layer in view.layers() if nodes.issuperset(layer.nodes)}


def _half_tensors(view: GraphView) -> list[str]:
    """Name all tensors, constants too, that would be float16 if their range allows it."""
    half = _half_nodes(view, set())
    names = dict.fromkeys(
        name
        for node in view.nodes
        if id(node) in half
        for name in (*view.float_inputs(node), *view.float_outputs(node))
    )
    return list(names)


def _measured(view: GraphView, peaks: Mapping[str, float]) -> list[Kept]:
    """Find tensors, computed or constant, that leave float16 too little room."""
    limit = SAFE_SHARE * LARGEST_HALF
    kept = [
        Kept(name, f"reaches {peak:.4g} on the calibration images, float16 ends at {LARGEST_HALF:g}")
        for name, peak in peaks.items()
        if not peak <= limit  # what is not a number is too large
    ]
    for name in _half_tensors(view):
        if name in view.constants:
            peak = float(np.abs(view.constant(name)).max(initial=0.0))
            if not peak <= limit:
                kept.append(Kept(name, f"is a constant of {peak:.4g}, float16 ends at {LARGEST_HALF:g}"))
    return kept


def _half_nodes(view: GraphView, too_large: set[str]) -> set[int]:
    """Choose the nodes that compute in float16, by id."""
    half: set[int] = set()
    for node in view.nodes:
        inputs = view.float_inputs(node)
        if is_dense_crf(node) or too_large.intersection((*inputs, *view.float_outputs(node))):
            continue
        computed = [name for name in inputs if name not in view.constants]
        follows = (
            node.op_type in FOLLOWS
            and bool(computed)
            and all(id(view.producers.get(name)) in half for name in computed)
        )
        if follows or view.is_heavy(node):
            half.add(id(node))
    return half


def _rewrite(model: onnx.ModelProto, view: GraphView, half: set[int]) -> None:
    """Give float16 tensors names of their own, and cast between the two where both are read.

    A tensor's old name stays the float32 one's, so that outputs and subgraphs need no change.
    """
    halves: dict[str, str] = {}  # float32 name -> float16 name
    read_as_float: set[str] = set(view.outer)
    for node in view.nodes:
        inputs = set(view.float_inputs(node)) if id(node) in half else set()
        halves.update((name, _half_name(name, view)) for name in inputs)
        read_as_float.update(set(node.input) - inputs)
        if id(node) in half:
            halves.update((name, _half_name(name, view)) for name in view.float_outputs(node))
    nodes: list[onnx.NodeProto] = []
    for old in view.nodes:
        node = onnx.NodeProto()
        node.CopyFrom(old)
        nodes.append(node)
        if id(old) in half:
            _rename(node.input, {name: halves[name] for name in view.float_inputs(old)})
            _rename(node.output, {name: halves[name] for name in view.float_outputs(old)})
        for name in view.float_outputs(old):
            if id(old) in half and name in read_as_float:
                nodes.append(_cast(halves[name], name, FLOAT))
            elif id(old) not in half and name in halves:
                nodes.append(_cast(name, halves[name], HALF))
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    constants = list(model.graph.initializer)
    del model.graph.initializer[:]
    for tensor in constants:
        if tensor.name in halves:
            array = view.constant(tensor.name).astype(np.float16)
            model.graph.initializer.append(numpy_helper.from_array(array, halves[tensor.name]))
        if tensor.name in read_as_float:
            model.graph.initializer.append(tensor)


def _half_name(name: str, view: GraphView) -> str:
    new = f"{name}.fp16"
    while new in view.types:
        new += "_"
    return new


def _rename(names: MutableSequence[str], table: Mapping[str, str]) -> None:
    for index, name in enumerate(names):
        names[index] = table.get(name, name)


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Cast", [source], [target], name=f"cast_to_{target}", to=to)


def _kept_by_rule(view: GraphView, half: set[int]) -> list[Kept]:
    """Count the operators that stay in float32, by reason."""
    reached: set[str] = set()  # tensors that depend on a layer
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for node in view.nodes:
        is_late = view.is_heavy(node) or any(name in reached for name in (*node.input, *captured(node)))
        if is_late:
            reached.update(node.output)
        if id(node) in half or not (view.float_inputs(node) or view.float_outputs(node)):
            continue
        if not view.is_heavy(node):
            reason = _REASON_OF.get(node.op_type, _FOLLOWS_FLOAT) if is_late else _PREPROCESSING
            reason = _DENSE_CRF if is_dense_crf(node) else reason
            counts[reason][node.op_type] += 1
    order = (_PREPROCESSING, *REASONS, _FOLLOWS_FLOAT, _DENSE_CRF)
    return [
        Kept(", ".join(f"{count} {op_type}" for op_type, count in sorted(counts[reason].items())), reason)
        for reason in order
        if reason in counts
    ]

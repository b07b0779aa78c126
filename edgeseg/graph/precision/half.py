"""Choose what of a float32 graph computes in float16: what is safe, by rule and by measurement.

Heavy layers (convolutions, and matrix products with trained weights) compute in float16, and what follows
them and neither sums many values nor computes with coordinates or probabilities follows. Everything else
stays as it is: preprocessing, softmax and sigmoid, exponentials, box decoding, sums, ranking, suppression,
sampling at coordinates, modules that must stay float32, and subgraphs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from edgeseg.graph.passes.half import ComputeInHalf
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.precision.report import Kept
from edgeseg.graph.view import GraphView, captured, name_of

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
_FLOAT32_MODULE = "a part of the network that must stay float32, as the model says"
_FOLLOWS_FLOAT = "computes with coordinates, scores or other float32 values"


def to_half(
    view: GraphView, peaks: Mapping[str, float]
) -> tuple[ir.passes.PassResult, list[Kept], list[Kept]]:
    """Convert a model, which is not changed; inputs, outputs and metadata stay what they are.

    Args:
        view: of the float32 model.
        peaks: largest magnitude of tensors on calibration images, of all `half_candidates`.

    Returns:
        the converted model, and what stays in float32: tensors by measurement, operators by rule.
    """
    kept = _measured(view, peaks)
    half = _half_nodes(view, {entry.name for entry in kept})
    convert = ComputeInHalf([name_of(node.outputs[0]) for node in half])
    return changed(view.model, convert), kept, _kept_by_rule(view, half)


def half_candidates(view: GraphView) -> list[str]:
    """Name the computed tensors that would be float16 if their range allows it: those to measure."""
    return [name_of(value) for value in _half_tensors(view) if not value.is_initializer()]


def half_layers(view: GraphView, kept: Iterable[Kept]) -> set[str]:
    """Name the layers that compute in float16 where `kept` stays float32."""
    nodes = set(_half_nodes(view, {entry.name for entry in kept}))
    return {layer.name for layer in view.layers() if nodes.issuperset(view.nodes_of(layer))}


def _half_tensors(view: GraphView) -> list[ir.Value]:
    """List all tensors, constants too, that would be float16 if their range allows it."""
    half = _half_nodes(view, set())
    values = (
        value
        for node in view.nodes
        if node in half
        for value in (*view.float_inputs(node), *view.float_outputs(node))
    )
    return list(dict.fromkeys(values))


def _measured(view: GraphView, peaks: Mapping[str, float]) -> list[Kept]:
    """Find tensors, computed or constant, that leave float16 too little room."""
    limit = SAFE_SHARE * LARGEST_HALF
    kept = [
        Kept(name, f"reaches {peak:.4g} on the calibration images, float16 ends at {LARGEST_HALF:g}")
        for name, peak in peaks.items()
        if not peak <= limit  # what is not a number is too large
    ]
    for value in _half_tensors(view):
        if value.is_initializer() and value.const_value is not None:
            peak = float(np.abs(value.const_value.numpy()).max(initial=0.0))
            if not peak <= limit:
                reason = f"is a constant of {peak:.4g}, float16 ends at {LARGEST_HALF:g}"
                kept.append(Kept(name_of(value), reason))
    return kept


def _half_nodes(view: GraphView, too_large: set[str]) -> dict[ir.Node, None]:
    """Choose the nodes that compute in float16, in the order of the graph."""
    half: dict[ir.Node, None] = {}
    for node in view.nodes:
        values = (*view.float_inputs(node), *view.float_outputs(node))
        if view.must_stay_float32(node) or too_large.intersection(map(name_of, values)):
            continue
        computed = view.computed_inputs(node)
        follows = node.op_type in FOLLOWS and computed and all(value.producer() in half for value in computed)
        if follows or view.is_heavy(node):
            half[node] = None
    return half


def _kept_by_rule(view: GraphView, half: Mapping[ir.Node, None]) -> list[Kept]:
    """Count the operators that stay in float32, by reason."""
    reached: set[ir.Value] = set()  # tensors that depend on a layer
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for node in view.nodes:
        is_late = view.is_heavy(node) or not reached.isdisjoint((*filter(None, node.inputs), *captured(node)))
        if is_late:
            reached.update(node.outputs)
        if node in half or not (view.float_inputs(node) or view.float_outputs(node)):
            continue
        if not view.is_heavy(node):
            reason = _REASON_OF.get(node.op_type, _FOLLOWS_FLOAT) if is_late else _PREPROCESSING
            reason = _FLOAT32_MODULE if view.must_stay_float32(node) else reason
            counts[reason][node.op_type] += 1
    order = (_PREPROCESSING, *REASONS, _FOLLOWS_FLOAT, _FLOAT32_MODULE)
    return [
        Kept(", ".join(f"{count} {op_type}" for op_type, count in sorted(counts[reason].items())), reason)
        for reason in order
        if reason in counts
    ]

"""Compute a graph a second time, by ONNX's own reference evaluator, where that takes seconds, not hours."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgeseg.errors import ExportError
from edgeseg.reading import reason_of

if TYPE_CHECKING:
    import onnx

ELEMENTWISE_S = 1e-8  # a value, in NumPy
PRODUCT_S = 1e-9  # a multiplication with its addition, as NumPy does matrix products
LOOPED_S = 2e-4  # a value of an operator that the evaluator computes in a loop of Python
LOOPED = (
    "Resize",
    "Upsample",
    "MaxPool",
    "AveragePool",
    "RoiAlign",
    "GridSample",
    "NonMaxSuppression",
    "Loop",
)
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
MOST_S = 20.0


def evaluate(
    proto: onnx.ModelProto, fixed: onnx.ModelProto, name: str, image: NDArray[Any]
) -> list[NDArray[Any]]:
    """Compute all outputs.

    Args:
        proto: the graph as it came.
        fixed: the same for the shape of the image, by which it is told beforehand how long it takes.
        name: of the input.
        image: as the graph takes it.

    Raises:
        ExportError: if the evaluator would take too long, or cannot compute an operator.
    """
    if math.isinf(seconds := estimated_seconds(fixed)):
        raise ExportError("its sizes depend on the data, so that nothing tells how long it would take")
    if seconds > MOST_S:
        raise ExportError(f"it would take about {seconds:.0f} s, {MOST_S:.0f} s are allowed")
    from onnx.reference import ReferenceEvaluator

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(ReferenceEvaluator(proto).run(None, {name: image}))
    except Exception as error:  # operators that it lacks, and its own faults
        raise ExportError(f"it fails: {reason_of(error)}") from error


def estimated_seconds(fixed: onnx.ModelProto) -> float:
    """Estimate how long the evaluator takes; infinite where shapes depend on the data."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.output, *graph.input):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(side.HasField("dim_value") for side in kind.shape.dim):
            shapes[value.name] = tuple(side.dim_value for side in kind.shape.dim)
    seconds = 0.0
    for node in graph.node:
        if any(output and output not in shapes for output in node.output):
            return math.inf
        values = sum(math.prod(shapes[output]) for output in node.output if output)
        seconds += values * (LOOPED_S if node.op_type in LOOPED else ELEMENTWISE_S)
        if node.op_type in PRODUCTS:
            weight = shapes.get(node.input[1], (1,))
            depth = math.prod(weight[1:]) if node.op_type.startswith("Conv") else weight[0]
            seconds += values * depth * PRODUCT_S
    return seconds

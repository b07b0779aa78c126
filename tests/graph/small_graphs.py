"""Small graphs written by hand, with weights from a seed, and what the precision passes need around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper, parser

from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import open_run
from edgeseg.graph.view import name_of

HEADER = '<ir_version: 9, opset_import: ["" : 18]>\n'

RESIDUAL = """
residual (uint8[1, 8, 8, 3] image) => (float[1, 4, 8, 8] scores) {
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    scaled = Mul(planes, scale)
    first = Conv<pads = [1, 1, 1, 1]>(scaled, w_first, bias)
    first_relu = Relu(first)
    second = Conv<pads = [1, 1, 1, 1]>(first_relu, w_second, bias)
    sum = Add(second, first_relu)
    sum_relu = Relu(sum)
    logits = Conv(sum_relu, w_head)
    scores = Softmax<axis = 1>(logits)
}
"""
"""A residual block between preprocessing and softmax."""

WEIGHTS = {
    "w_first": (4, 3, 3, 3),
    "w_second": (4, 4, 3, 3),
    "w_head": (4, 4, 1, 1),
}


def residual(first_gain: float = 1.0, text: str = RESIDUAL) -> ir.Model:
    """Make the residual block; `first_gain` scales what its first convolution gives."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0.0, 0.4, shape) for name, shape in WEIGHTS.items()}
    weights["w_first"] *= first_gain
    weights["w_second"] /= first_gain
    return model(text, {**weights, "bias": np.array([0.1, -0.1, 0.2, 0.0]), "scale": np.array(1 / 255)})


def model(text: str, constants: dict[str, np.ndarray]) -> ir.Model:
    """Parse a graph, give its nodes names, put float32 constants into it, and infer its types."""
    made = parser.parse_model(HEADER + text)
    for index, node in enumerate(made.graph.node):
        node.name = f"node_{index}"
    made.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()
    )
    onnx.checker.check_model(made, full_check=True)
    return InferTypes()(ir.from_proto(made)).model


def images(made: ir.Model, count: int = 4) -> np.ndarray:
    """Make random pixels (count, H, W, C) of a graph's size."""
    shape = made.graph.inputs[0].shape
    assert shape is not None
    size = shape.numpy()[1:]
    return np.random.default_rng(1).integers(0, 256, (count, *size), np.uint8)


def operators(made: ir.Model) -> Counter[str]:
    """Count the nodes of the main graph by operator."""
    return Counter(node.op_type for node in made.graph)


def constants(made: ir.Model) -> dict[str, np.ndarray]:
    """Read the constants of the main graph."""
    values = made.graph.initializers.values()
    return {str(value.name): value.const_value.numpy() for value in values if value.const_value is not None}


def inputs(node: ir.Node) -> list[str]:
    """Name what a node reads."""
    return [name_of(value) for value in node.inputs]


def run(made: ir.Model, image: np.ndarray, *, as_written: bool = False) -> Mapping[str, np.ndarray]:
    """Run a graph in ONNX Runtime."""
    return open_run(to_bytes(made), as_written=as_written)(image)

"""Cut a few nodes out of a graph as a model of their own, to be timed alone.

Its input is an image, as of every portable model: what the nodes read is filled from it. Its output is a
corner of what they give. Trained weights are random numbers there, so that equal places give equal models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.constants import constant
from edgeseg.graph.passes.speed import static_shape
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.view import FLOAT

SIDE = 32  # pixels of the image
PIXEL_VALUES = SIDE * SIDE * 3
LARGE = 64  # numbers; constants of fewer are settings, and stay
CORNER = (1, 2, 1, 1)  # shape of the output: logits of two classes


def cut_out(model: ir.Model, nodes: Sequence[ir.Node]) -> ir.Model | None:
    """Give a model that computes nothing but these nodes; None where a size or a type does not allow it.

    Args:
        nodes: of the main graph, in its order; the types must be known.

    Returns:
        A model from `image`, (1, SIDE, SIDE, 3) uint8, to `logits`, CORNER float32.
    """
    inside = set(nodes)
    read = dict.fromkeys(value for node in nodes for value in node.inputs if value is not None)
    given = [value for value in read if not value.is_initializer() and value.producer() not in inside]
    results = [
        value
        for node in nodes
        for value in node.outputs
        if value.is_graph_output() or any(use.node not in inside for use in value.uses())
    ]
    if not all(_can_be_cut(value) for value in (*given, *results)):
        return None
    image = ir.Value(name="image", type=ir.TensorType(ir.DataType.UINT8), shape=ir.Shape((1, SIDE, SIDE, 3)))
    graph = ir.Graph([image], [], nodes=[], opset_imports=dict(model.graph.opset_imports), name="cut")
    known: dict[ir.Value, ir.Value] = {}
    pixels = _add(graph, "Cast", [image], to=int(FLOAT))
    flat = _add(graph, "Reshape", [pixels, constant(graph, "flat", np.array([PIXEL_VALUES]))])
    for value in given:
        known[value] = _filled(graph, flat, static_shape(value) or ())
    for index, value in enumerate(value for value in read if value.is_initializer()):
        assert value.const_value is not None
        known[value] = constant(graph, f"constant{index}", _likely(value.const_value.numpy()))
    for node in nodes:
        _copy(graph, node, known)
    corners = [_corner(graph, known[value]) for value in results]
    both = _add(graph, "Concat", [_sum(graph, corners)] * 2, axis=0)
    logits = _add(graph, "Reshape", [both, constant(graph, "corner", np.array(CORNER))])
    logits.name = "logits"
    graph.outputs.append(logits)
    return InferTypes()(ir.Model(graph, ir_version=model.ir_version)).model


def _can_be_cut(value: ir.Value) -> bool:
    shape = static_shape(value)
    return value.dtype == FLOAT and shape is not None and len(shape) > 0 and shape[-1] <= PIXEL_VALUES


def _likely(array: NDArray[Any]) -> NDArray[Any]:
    """Give constants as they are, and random ones for weights, of which the same shape has the same."""
    if array.dtype != np.float32 or array.size < LARGE:
        return array
    weights = np.random.default_rng(array.size).standard_normal(array.shape, np.float32)
    weights /= np.sqrt(array.size / len(array))  # sums keep the size of what they add
    return weights


def _filled(graph: ir.Graph, flat: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """Repeat the image's first values along the last axis."""
    ends = [np.array([0]), np.array([shape[-1]]), np.array([0])]
    row = _add(graph, "Slice", [flat, *(_number(graph, end) for end in ends)])
    return _add(graph, "Expand", [row, _number(graph, np.array(shape))])


def _corner(graph: ir.Graph, value: ir.Value) -> ir.Value:
    """Give the first number of a value, (1,)."""
    axes = np.arange(len(value.shape or ()))
    ends = [np.zeros_like(axes), np.ones_like(axes), axes]
    first = _add(graph, "Slice", [value, *(_number(graph, end) for end in ends)])
    return _add(graph, "Reshape", [first, _number(graph, np.array([1]))])


def _sum(graph: ir.Graph, values: Sequence[ir.Value]) -> ir.Value:
    return values[0] if len(values) == 1 else _add(graph, "Sum", list(values))


def _copy(graph: ir.Graph, node: ir.Node, known: dict[ir.Value, ir.Value]) -> None:
    inputs = [None if value is None else known[value] for value in node.inputs]
    copied = ir.Node(
        node.domain,
        node.op_type,
        inputs,
        list(node.attributes.values()),
        outputs=[ir.Value(name=f"{_next(graph)}_{index}") for index, _ in enumerate(node.outputs)],
        name=_next(graph),
    )
    graph.append(copied)
    for old, new in zip(node.outputs, copied.outputs, strict=True):
        new.type, new.shape = old.type, old.shape
        known[old] = new


def _add(graph: ir.Graph, operator: str, inputs: Sequence[ir.Value], **attributes: int) -> ir.Value:
    name = _next(graph)
    node = ir.node(operator, inputs, attributes, name=name)
    node.outputs[0].name = f"{name}_0"
    graph.append(node)
    return node.outputs[0]


def _number(graph: ir.Graph, numbers: NDArray[Any]) -> ir.Value:
    return constant(graph, f"numbers{len(graph.initializers)}", numbers.astype(np.int64))


def _next(graph: ir.Graph) -> str:
    return f"node{len(graph)}"

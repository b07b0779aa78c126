"""Convert what only weighs, mixes and orders channels: it is held back, and computed by one layer at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.engines.ncnn.conversion import IMAGE_AXES, Conversion, Convert, Held

FIRST, LAST = 1, 3  # where the axis of channels is
TO_FIRST = (0, 3, 1, 2)
BINARY: Mapping[str, int] = {"Add": 0, "Sub": 1, "Mul": 2, "Div": 3, "Max": 4, "Min": 5}
FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE)

Change = Callable[[Held], Held]


def _passed_on(conversion: Conversion, node: ir.Node) -> None:
    if conversion.constant(node.outputs[0]) is None:
        conversion.hold(node, conversion.held(node, node.inputs[0]))


def _constant(conversion: Conversion, node: ir.Node) -> None:
    """Take no layer: who reads a constant asks for it."""


def _cast(conversion: Conversion, node: ir.Node) -> None:
    held = conversion.held(node, node.inputs[0])
    if not held.labels and node.outputs[0].dtype not in FLOATS:
        conversion.refuse(node, "it makes other numbers than float32")
    conversion.hold(node, held)


def _transpose(conversion: Conversion, node: ir.Node) -> None:
    held = conversion.held(node, node.inputs[0])
    if not held.channels_last or tuple(node.attributes.get_ints("perm", ())) != TO_FIRST:
        conversion.refuse(node, "it is no change from an image to channels")
    conversion.hold(node, replace(held, channels_last=False))


def _gather(conversion: Conversion, node: ir.Node) -> None:
    held, chosen = conversion.held(node, node.inputs[0]), conversion.constant(node.inputs[1])
    axis = node.attributes.get_int("axis", 0) % IMAGE_AXES
    if chosen is None or chosen.ndim != 1 or axis != _axis(held):
        conversion.refuse(node, "it does not choose channels")
    count = conversion.shape(node, node.inputs[0])[axis]
    mix, shift = _full(held, count)
    conversion.hold(node, replace(held, mix=mix[chosen], shift=shift[chosen]))


def _sum(conversion: Conversion, node: ir.Node) -> None:
    held = conversion.held(node, node.inputs[0])
    if axes_of(conversion, node) != (_axis(held),) or not node.attributes.get_int("keepdims", 1):
        conversion.refuse(node, "it does not add up channels alone")
    mix, shift = _full(held, conversion.shape(node, node.inputs[0])[_axis(held)])
    conversion.hold(node, replace(held, mix=mix.sum(0, keepdims=True), shift=shift.sum(keepdims=True)))


def _arithmetic(conversion: Conversion, node: ir.Node) -> None:
    first, second = map(conversion.constant, node.inputs)
    if first is None and second is None:
        shapes = [conversion.shape(node, value) for value in node.inputs]
        if {len(shape) for shape in shapes} != {IMAGE_AXES}:
            conversion.refuse(node, "it computes with tensors of other axes than (N, C, H, W)")
        bottoms = [conversion.take(node, index) for index in range(2)]
        conversion.emit(node, "BinaryOp", bottoms, {0: BINARY[node.op_type]})
        return
    held = conversion.held(node, node.inputs[0 if first is None else 1])
    number = second if first is None else first
    assert number is not None
    values = _by_channel(number.astype(np.float64), _axis(held))
    if values is None or node.op_type in ("Max", "Min") or (node.op_type == "Div" and first is not None):
        conversion.refuse(node, "its constant is not one number, or one a channel, that it weighs or adds")
    count = max(len(values), conversion.shape(node, node.outputs[0])[_axis(held)])
    values = np.broadcast_to(values, count)
    if node.op_type in ("Mul", "Div"):
        conversion.hold(node, _weighed(held, values if node.op_type == "Mul" else 1 / values))
        return
    if node.op_type == "Sub":
        held, values = (held, -values) if first is None else (_weighed(held, np.full(count, -1.0)), values)
    conversion.hold(node, _shifted(held, values))


def _negated(conversion: Conversion, node: ir.Node) -> None:
    held = conversion.held(node, node.inputs[0])
    count = conversion.shape(node, node.inputs[0])[_axis(held)]
    conversion.hold(node, _weighed(held, np.full(count, -1.0)))


def _normalised(conversion: Conversion, node: ir.Node) -> None:
    held = conversion.held(node, node.inputs[0])
    constants = [conversion.constant(value) for value in node.inputs[1:5]]
    if any(one is None for one in constants) or held.channels_last:
        conversion.refuse(node, "its numbers are computed")
    scale, bias, mean, variance = (np.asarray(one, np.float64) for one in constants)
    weight = scale / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    conversion.hold(node, _shifted(_weighed(held, weight), bias - mean * weight))


def axes_of(conversion: Conversion, node: ir.Node) -> tuple[int, ...]:
    """Read the axes of a reduction, of an input or, as before opset 13 or 18, of an attribute."""
    given: Any = node.attributes.get_ints("axes", ())
    if not given and len(node.inputs) > 1:
        given = conversion.constant(node.inputs[1])
    return tuple(sorted(int(axis) % IMAGE_AXES for axis in (() if given is None else given)))


def _axis(held: Held) -> int:
    return LAST if held.channels_last else FIRST


def _full(held: Held, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give how channels are mixed as a matrix, and what is added, of a value of `count` channels."""
    mix = np.ones(count) if held.mix is None else held.mix
    return np.diag(mix) if mix.ndim == 1 else mix, np.zeros(count) if held.shift is None else held.shift


def _weighed(held: Held, values: NDArray[np.float64]) -> Held:
    shift = None if held.shift is None else held.shift * values
    if held.mix is None:
        return replace(held, mix=values, shift=shift)
    mix = held.mix * (values if held.mix.ndim == 1 else values[:, None])
    return replace(held, mix=mix, shift=shift)


def _shifted(held: Held, values: NDArray[np.float64]) -> Held:
    return replace(held, shift=values if held.shift is None else held.shift + values)


def _by_channel(values: NDArray[np.float64], axis: int) -> NDArray[np.float64] | None:
    """Give numbers of channels, or one of all; None of a constant that is something else."""
    if values.ndim > IMAGE_AXES:
        return None
    shape = (*(1,) * (IMAGE_AXES - values.ndim), *values.shape)
    return values.reshape(-1) if values.size == shape[axis] else None


CHANNELS: Mapping[str, Convert] = {
    "Cast": _cast,
    "Constant": _constant,
    "Identity": _passed_on,
    "Transpose": _transpose,
    "Gather": _gather,
    "ReduceSum": _sum,
    "Neg": _negated,
    "BatchNormalization": _normalised,
    **dict.fromkeys(BINARY, _arithmetic),
}

"""Read from a node the numbers and attributes that targets bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

import onnx_ir as ir

from edgeseg.targets.target import Quantity

_SPATIAL = 2  # axes of a picture
_WEIGHT = 1  # the input that holds a convolution's weights
_K = 1  # the input of TopK that says how many

Number = int | Fraction


def numbers_of(node: ir.Node, quantity: Quantity) -> list[Number]:
    """Give the numbers of a kind that a node has, one for each axis; none where they are not known."""
    return list(_READERS[quantity](node))


def attribute_of(node: ir.Node, name: str, default: str = "") -> str:
    """Give an attribute as text: strings as they are, numbers in digits, lists with commas between."""
    attribute = node.attributes.get(name)
    if attribute is None or attribute.is_ref():
        return default
    value: Any = attribute.value
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)


def shape_of(value: ir.Value | None) -> tuple[int, ...] | None:
    """Give a shape; None where a side is not known."""
    if value is None or value.shape is None:
        return None
    sides = tuple(side for side in value.shape if isinstance(side, int))
    return sides if len(sides) == len(value.shape) else None


def _numbers(name: str, missing: int) -> Callable[[ir.Node], Iterable[Number]]:
    """Read an attribute of whole numbers; without it, the number that ONNX means."""

    def read(node: ir.Node) -> Iterable[Number]:
        attribute = node.attributes.get(name)
        if attribute is None or attribute.is_ref():
            return [missing]
        if attribute.type == ir.AttributeType.INT:
            return [attribute.as_int()]
        return attribute.as_ints() if attribute.type == ir.AttributeType.INTS else []

    return read


def _kernel(node: ir.Node) -> Iterable[Number]:
    """Read a window's sides, or those of the weights."""
    if "kernel_shape" in node.attributes:
        return _numbers("kernel_shape", 1)(node)
    weight = _shape_of_input(node, _WEIGHT)
    return () if weight is None else weight[_SPATIAL:]


def _output_channels(node: ir.Node) -> Iterable[Number]:
    weight = _shape_of_input(node, _WEIGHT)
    if weight is None or len(weight) < _SPATIAL:
        return ()
    return (weight[1],) if node.op_type == "ConvTranspose" else (weight[0],)


def _axis(node: ir.Node) -> int | None:
    """Give the axis, counted from the first one."""
    shape = shape_of(node.inputs[0]) if node.inputs else None
    given = list(_numbers("axis", -1)(node))
    if shape is None or len(given) != 1 or not -len(shape) <= given[0] < len(shape):
        return None
    return int(given[0]) % len(shape)


def _axis_from_the_last(node: ir.Node) -> Iterable[Number]:
    axis, shape = _axis(node), shape_of(node.inputs[0]) if node.inputs else None
    return () if axis is None or shape is None else (len(shape) - axis,)


def _size_along_the_axis(node: ir.Node) -> Iterable[Number]:
    axis, shape = _axis(node), shape_of(node.inputs[0]) if node.inputs else None
    return () if axis is None or shape is None else (shape[axis],)


def _scale(node: ir.Node) -> Iterable[Number]:
    """Compute how many times as large a resized tensor is along each axis."""
    before = shape_of(node.inputs[0]) if node.inputs else None
    after = shape_of(node.outputs[0]) if node.outputs else None
    if before is None or after is None or len(before) != len(after) or 0 in before:
        return ()
    return [Fraction(new, old) for old, new in zip(before, after, strict=True)]


def _batch(node: ir.Node) -> Iterable[Number]:
    shape = shape_of(node.inputs[0]) if node.inputs else None
    return shape[:1] if shape else ()


def _k(node: ir.Node) -> Iterable[Number]:
    value = node.inputs[_K] if len(node.inputs) > _K else None
    constant = None if value is None else ir.convenience.get_const_tensor(value)
    if constant is None or constant.size != 1:
        return ()
    return (int(constant.numpy().ravel()[0]),)


def _shape_of_input(node: ir.Node, index: int) -> tuple[int, ...] | None:
    return shape_of(node.inputs[index]) if len(node.inputs) > index else None


_READERS: Mapping[Quantity, Callable[[ir.Node], Iterable[Number]]] = {
    "batch": _batch,
    "kernel": _kernel,
    "stride": _numbers("strides", 1),
    "padding": _numbers("pads", 0),
    "dilation": _numbers("dilations", 1),
    "groups": _numbers("group", 1),
    "output channels": _output_channels,
    "axis from the last": _axis_from_the_last,
    "size along the axis": _size_along_the_axis,
    "scale": _scale,
    "k": _k,
}

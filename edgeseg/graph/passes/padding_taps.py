"""Leave out the taps of dilated convolutions that read nothing but padding.

Where the map is small and the dilation large, as in the pyramid of DeepLab at a high rate, the outer rows and
columns of a kernel lie beyond the border for every output: at a rate of 36 on a map of 32x32, one of
3x3 is a convolution of 1x1. Libraries that make a matrix of the patches multiply those zeros all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import onnx_ir as ir

from edgeseg.graph.passes.constants import constant
from edgeseg.graph.view import WEIGHT, name_of

_OUTER = 2  # dimensions of a map (N, C, ...) before its axes


class Taps(NamedTuple):
    """The taps along one axis that read the map for some output, and the padding that they need."""

    first: int
    last: int
    pad_before: int
    pad_after: int


class DropPaddingTaps(ir.passes.InPlacePass):
    """Make kernels smaller by their outer taps that read zeros alone; what is computed stays the same.

    Requires:
        nothing; convolutions are passed over whose map has no known size, or whose kernel is no constant of
        their own.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Cut the kernels; they keep their names."""
        cuts = [(node, kept) for node in model.graph if (kept := _kept_taps(node)) is not None]
        for node, kept in cuts:
            _cut(node, kept)
        return ir.passes.PassResult(model, bool(cuts))


def taps_inside(
    size: int, kernel: int, *, dilation: int, stride: int, pad_before: int, pad_after: int
) -> Taps:
    """Find the taps along an axis that matter.

    Args:
        size: of the map, without padding.
        kernel: number of taps; tap t of output i reads position i * stride + t * dilation - pad_before.
    """
    furthest = (size + pad_before + pad_after - (kernel - 1) * dilation - 1) // stride * stride
    inside = [t for t in range(kernel) if t * dilation - pad_before + furthest >= 0]
    inside = [t for t in inside if t * dilation - pad_before < size]
    if not inside:
        return Taps(0, kernel - 1, pad_before, pad_after)
    first, last = inside[0], inside[-1]
    before, after = pad_before - first * dilation, pad_after - (kernel - 1 - last) * dilation
    # padding cannot be negative: a tap stays that would have to begin inside the map
    while before < 0:
        first, before = first - 1, before + dilation
    while after < 0:
        last, after = last + 1, after + dilation
    return Taps(first, last, before, after)


def _kept_taps(node: ir.Node) -> list[Taps] | None:
    """Give the taps along each axis of a convolution, if some can go."""
    if node.op_type != "Conv" or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return None
    weight = node.inputs[WEIGHT]
    sizes = _sizes(node.inputs[0])
    if weight is None or weight.const_value is None or len(weight.uses()) != 1 or sizes is None:
        return None
    kernels = weight.const_value.shape.numpy()[_OUTER:]
    kept = list(_along_axes(node, sizes, kernels))
    if all(taps.last - taps.first + 1 == kernel for taps, kernel in zip(kept, kernels, strict=True)):
        return None
    return kept


def _sizes(value: ir.Value | None) -> list[int] | None:
    shape = None if value is None else value.shape
    if shape is None or not shape.is_static():
        return None
    return list(shape.numpy()[_OUTER:])


def _along_axes(node: ir.Node, sizes: list[int], kernels: Sequence[int]) -> Iterator[Taps]:
    axes = len(sizes)
    pads = node.attributes.get_ints("pads", [0] * 2 * axes)
    dilations = node.attributes.get_ints("dilations", [1] * axes)
    strides = node.attributes.get_ints("strides", [1] * axes)
    for axis, (size, kernel) in enumerate(zip(sizes, kernels, strict=True)):
        yield taps_inside(
            size,
            kernel,
            dilation=dilations[axis],
            stride=strides[axis],
            pad_before=pads[axis],
            pad_after=pads[axes + axis],
        )


def _cut(node: ir.Node, kept: list[Taps]) -> None:
    weight, graph = node.inputs[WEIGHT], node.graph
    assert weight is not None
    assert weight.const_value is not None
    assert isinstance(graph, ir.Graph)
    window = (slice(None),) * _OUTER + tuple(slice(taps.first, taps.last + 1) for taps in kept)
    array = weight.const_value.numpy()[window].copy()
    name = name_of(weight)
    del graph.initializers[name]
    node.replace_input_with(WEIGHT, constant(graph, name, array))
    dilations = node.attributes.get_ints("dilations", [1] * len(kept))
    changed = {
        "kernel_shape": array.shape[_OUTER:],
        "pads": [*(taps.pad_before for taps in kept), *(taps.pad_after for taps in kept)],
        "dilations": [d if taps.last > taps.first else 1 for d, taps in zip(dilations, kept, strict=True)],
    }
    for key, value in changed.items():
        node.attributes.add(ir.AttrInt64s(key, value))

"""Convert operators that are layers of ncnn, by the numbers of its table of operators and weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.engines.ncnn.channels import CHANNELS, axes_of
from edgeseg.engines.ncnn.conversion import IMAGE_AXES, Conversion, Convert
from edgeseg.engines.ncnn.network import Value, Weights
from edgeseg.engines.ncnn.normalisation import NORMALISATIONS
from edgeseg.graph.view import name_of

PLANE = (2, 3)  # the axes of height and width
LEAST, MOST = (float(limit) for limit in (np.finfo(np.float32).min, np.finfo(np.float32).max))
FULL, VALID = 0, 1  # of pools: windows that begin inside are taken, or those that end inside
NEAREST, LINEAR = 1, 2
UNARY: Mapping[str, int] = {"Abs": 0, "Sqrt": 5, "Exp": 7, "Log": 8}


def _convolution(conversion: Conversion, node: ir.Node) -> None:
    weight, bias = _weights(conversion, node)
    parameters = {**_window(conversion, node, weight.shape[2:]), 0: len(weight)}
    _emit_convolution(conversion, node, "Convolution", parameters, (weight, bias))


def _deconvolution(conversion: Conversion, node: ir.Node) -> None:
    weight, bias = _weights(conversion, node)
    group = node.attributes.get_int("group", 1)
    if node.attributes.get_ints("output_shape", ()):
        conversion.refuse(node, "it says its output's shape, not its padding")
    inputs, outputs, *kernel = weight.shape
    by_output = weight.reshape(group, inputs // group, outputs, *kernel).swapaxes(1, 2)
    bottom, right = node.attributes.get_ints("output_padding", (0, 0))
    parameters = {**_window(conversion, node, kernel), 0: outputs * group, 18: right, 19: bottom}
    _emit_convolution(conversion, node, "Deconvolution", parameters, (by_output, bias))


def _emit_convolution(
    conversion: Conversion,
    node: ir.Node,
    kind: str,
    parameters: dict[int, Value],
    weight_bias: tuple[NDArray[np.float32], NDArray[np.float32] | None],
) -> None:
    weight, bias = weight_bias
    weights = [Weights(weight, tagged=True)]
    parameters[6] = weight.size
    if (group := node.attributes.get_int("group", 1)) > 1:
        kind, parameters[7] = f"{kind}DepthWise", group
    if bias is not None:
        parameters[5] = 1
        weights.append(Weights(bias))
    conversion.emit(node, kind, [conversion.take(node)], parameters, weights)


def _weights(conversion: Conversion, node: ir.Node) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Give a convolution's weights and bias."""
    weight = conversion.constant(node.inputs[1])
    given = node.inputs[2] if len(node.inputs) > 2 else None  # noqa: PLR2004 - a bias may be left out
    bias = conversion.constant(given)
    if weight is None or weight.ndim != IMAGE_AXES or (given is not None and bias is None):
        conversion.refuse(node, "its weights are computed, or it has other axes than height and width")
    return weight, bias


def _window(conversion: Conversion, node: ir.Node, kernel_hw: Sequence[int]) -> dict[int, Value]:
    """Say sizes, dilations, strides and padding of a convolution."""
    attributes = node.attributes
    if attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        conversion.refuse(node, "its padding is not said in numbers")
    (height, width), (rows, columns) = kernel_hw, attributes.get_ints("dilations", (1, 1))
    down, right = attributes.get_ints("strides", (1, 1))
    pads = attributes.get_ints("pads", (0, 0, 0, 0))
    return {
        **{1: width, 11: height, 2: columns, 12: rows, 3: right, 13: down},
        **{4: pads[1], 15: pads[3], 14: pads[0], 16: pads[2]},
    }


def _pool(conversion: Conversion, node: ir.Node) -> None:
    attributes = node.attributes
    height, width = attributes.get_ints("kernel_shape")
    down, right = attributes.get_ints("strides", (1, 1))
    top, left, bottom, end = attributes.get_ints("pads", (0, 0, 0, 0))
    if set(attributes.get_ints("dilations", (1, 1))) != {1} or len(node.outputs) > 1:
        conversion.refuse(node, "it has a dilation, or gives indices")
    if attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        conversion.refuse(node, "its padding is not said in numbers")
    sizes = conversion.shape(node, node.inputs[0])[2:], conversion.shape(node, node.outputs[0])[2:]
    windows = ((height, down, top + bottom), (width, right, left + end))
    mode = FULL if attributes.get_int("ceil_mode", 0) else VALID
    for before, after, (length, step, padding) in zip(*sizes, windows, strict=True):
        steps = (before + padding - length) / step
        if after != 1 + (math.ceil(steps) if mode == FULL else math.floor(steps)):
            conversion.refuse(node, "windows that begin in the padding are left out")
    average = node.op_type == "AveragePool"
    conversion.emit(
        node,
        "Pooling",
        [conversion.take(node)],
        {
            **{0: int(average), 1: width, 11: height, 2: right, 12: down, 5: mode},
            **{3: left, 14: end, 13: top, 15: bottom, 6: attributes.get_int("count_include_pad", 0)},
        },
    )


def _mean(conversion: Conversion, node: ir.Node) -> None:
    if node.op_type == "ReduceMean" and (
        axes_of(conversion, node) != PLANE or not node.attributes.get_int("keepdims", 1)
    ):
        conversion.refuse(node, "it is no mean of whole planes")
    count = conversion.shape(node, node.inputs[0])[1]
    bottoms, name = [conversion.take(node)], name_of(node.outputs[0])
    mean = conversion.add("Pooling", name, bottoms, {0: 1, 4: 1})
    conversion.emit(node, "Reshape", [mean], {0: 1, 1: 1, 2: count})


def _expand(conversion: Conversion, node: ir.Node) -> None:
    before, after = (conversion.shape(node, value) for value in (node.inputs[0], node.outputs[0]))
    if before == after:
        conversion.hold(node, conversion.held(node, node.inputs[0]))
    elif before[:2] == after[:2] and before[2:] == (1, 1):
        _interpolate(conversion, node, NEAREST)
    else:
        conversion.refuse(node, "it repeats something else than one pixel")


def _resize(conversion: Conversion, node: ir.Node) -> None:
    attributes = node.attributes
    before, after = (conversion.shape(node, value) for value in (node.inputs[0], node.outputs[0]))
    antialias = attributes.get_int("antialias", 0)
    mode = attributes.get_string("mode", "nearest")
    grid = attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if len(before) != IMAGE_AXES or before[:2] != after[:2] or antialias:
        conversion.refuse(node, "it resizes something else than planes, or antialiases")
    if before[2:] == (1, 1):
        _interpolate(conversion, node, NEAREST)
    elif mode == "linear" and min(before[2:]) > 1 and grid in ("half_pixel", "pytorch_half_pixel"):
        _interpolate(conversion, node, LINEAR)
    elif mode == "linear" and min(before[2:]) > 1 and grid == "align_corners":
        _interpolate(conversion, node, LINEAR, corners=1)
    elif mode == "nearest" and _takes_floor(node, grid, before, after):
        _interpolate(conversion, node, NEAREST)
    else:
        conversion.refuse(node, f"ncnn resizes otherwise than {mode} by {grid}")


def _takes_floor(node: ir.Node, grid: str, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether the nearest pixel is the one at or before the scaled position, as in ncnn."""
    rounding = node.attributes.get_string("nearest_mode", "round_prefer_floor")
    if grid == "asymmetric" and rounding == "floor":
        return True
    whole = all(large % small == 0 for small, large in zip(before[2:], after[2:], strict=True))
    return whole and grid == "half_pixel" and rounding.startswith("round")


def _interpolate(conversion: Conversion, node: ir.Node, kind: int, *, corners: int = 0) -> None:
    height, width = conversion.shape(node, node.outputs[0])[2:]
    parameters: dict[int, Value] = {0: kind, 3: height, 4: width, 6: corners}
    conversion.emit(node, "Interp", [conversion.take(node)], parameters)


def _concat(conversion: Conversion, node: ir.Node) -> None:
    if node.attributes.get_int("axis") % IMAGE_AXES != 1 or not _is_image(conversion, node):
        conversion.refuse(node, "it joins other axes than channels")
    bottoms = [conversion.take(node, index) for index in range(len(node.inputs))]
    conversion.emit(node, "Concat", bottoms, {0: 0})


def _softmax(conversion: Conversion, node: ir.Node) -> None:
    if node.attributes.get_int("axis", -1) % IMAGE_AXES != 1 or not _is_image(conversion, node):
        conversion.refuse(node, "it is not over channels")
    conversion.emit(node, "Softmax", [conversion.take(node)], {0: 0, 1: 1})


def _argmax(conversion: Conversion, node: ir.Node) -> None:
    attributes = node.attributes
    if (
        attributes.get_int("axis", 0) % IMAGE_AXES != 1
        or not _is_image(conversion, node)
        or attributes.get_int("keepdims", 1) != 0
        or attributes.get_int("select_last_index", 0) != 0
    ):
        conversion.refuse(node, "it is not the number of the best channel")
    conversion.take(node)
    conversion.hold(node, replace(conversion.held(node, node.inputs[0]), labels=True))


def _pad(conversion: Conversion, node: ir.Node) -> None:
    mode = node.attributes.get_string("mode", "constant")
    pads = conversion.constant(node.inputs[1])
    number = conversion.constant(node.inputs[2]) if len(node.inputs) > 2 else None  # noqa: PLR2004 - the value
    kinds = {"constant": 0, "edge": 1, "reflect": 2}
    if mode not in kinds or pads is None or len(pads) != 2 * IMAGE_AXES or pads[[0, 1, 4, 5]].any():
        conversion.refuse(node, "it pads something else than planes")
    top, left, bottom, right = (int(pads[index]) for index in (2, 3, 6, 7))
    parameters: dict[int, Value] = {0: top, 1: bottom, 2: left, 3: right, 4: kinds[mode]}
    parameters[5] = 0.0 if number is None else float(number)
    conversion.emit(node, "Padding", [conversion.take(node)], parameters)


def _activation(conversion: Conversion, node: ir.Node) -> None:
    attributes, bottoms = node.attributes, [conversion.take(node)]
    alpha, beta = (attributes.get_float(name, default) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    layers: Mapping[str, tuple[str, dict[int, Value]]] = {
        "Relu": ("ReLU", {}),
        "LeakyRelu": ("ReLU", {0: attributes.get_float("alpha", 0.01)}),
        "Elu": ("ELU", {0: attributes.get_float("alpha", 1.0)}),
        "Sigmoid": ("Sigmoid", {}),
        "Tanh": ("TanH", {}),
        "HardSigmoid": ("HardSigmoid", {0: alpha, 1: beta}),
        "HardSwish": ("HardSwish", {0: 1 / 6, 1: 0.5}),
    }
    kind, parameters = layers[node.op_type]
    conversion.emit(node, kind, bottoms, parameters)


def _clip(conversion: Conversion, node: ir.Node) -> None:
    limits = [LEAST, MOST]
    for index, value in enumerate(node.inputs[1:]):
        limit = conversion.constant(value)
        if limit is not None:
            limits[index] = float(limit)
        elif value is not None:
            conversion.refuse(node, "its limits are computed")
    conversion.emit(node, "Clip", [conversion.take(node)], {0: limits[0], 1: limits[1]})


def _prelu(conversion: Conversion, node: ir.Node) -> None:
    slope = conversion.constant(node.inputs[1])
    channels = conversion.shape(node, node.inputs[0])[1]
    if slope is None or slope.size not in (1, channels):
        conversion.refuse(node, "its slopes are not one, or one a channel")
    bottoms = [conversion.take(node)]
    conversion.emit(node, "PReLU", bottoms, {0: slope.size}, [Weights(slope.reshape(-1))])


def _unary(conversion: Conversion, node: ir.Node) -> None:
    conversion.emit(node, "UnaryOp", [conversion.take(node)], {0: UNARY[node.op_type]})


def _is_image(conversion: Conversion, node: ir.Node) -> bool:
    return len(conversion.shape(node, node.inputs[0])) == IMAGE_AXES


OPERATORS: Mapping[str, Convert] = {
    **CHANNELS,
    **NORMALISATIONS,
    "Conv": _convolution,
    "ConvTranspose": _deconvolution,
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "ReduceMean"), _mean),
    "Expand": _expand,
    "Resize": _resize,
    "Concat": _concat,
    "Softmax": _softmax,
    "ArgMax": _argmax,
    "Pad": _pad,
    "Clip": _clip,
    "PRelu": _prelu,
    **dict.fromkeys(("Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish"), _activation),
    **dict.fromkeys(UNARY, _unary),
}

"""Convert normalisations by numbers of the image itself: of each channel, or of groups of channels.

ONNX writes that of groups as one of the channels of a view, (N, groups, numbers), between two reshapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeseg.engines.ncnn.conversion import IMAGE_AXES, Conversion, Convert, Held
from edgeseg.engines.ncnn.network import Value, Weights

VIEW_AXES = 3


def _reshape(conversion: Conversion, node: ir.Node) -> None:
    before, after = (conversion.shape(node, value) for value in (node.inputs[0], node.outputs[0]))
    held = conversion.held(node, node.inputs[0])
    if held.viewed == after:
        conversion.hold(node, replace(held, viewed=None))
        return
    whole_groups = (
        (len(before), len(after)) == (IMAGE_AXES, VIEW_AXES)
        and before[0] == after[0]
        and before[1] % after[1] == 0
        and math.prod(before) == math.prod(after)
    )
    if not whole_groups:
        conversion.refuse(node, "it does not view channels as groups")
    conversion.hold(node, Held(conversion.take(node), viewed=before))


def _normalised(conversion: Conversion, node: ir.Node) -> None:
    held, epsilon = conversion.held(node, node.inputs[0]), node.attributes.get_float("epsilon", 1e-5)
    scale, bias = map(conversion.constant, node.inputs[1:3])
    if scale is None or bias is None:
        conversion.refuse(node, "its numbers are computed")
    groups = len(scale)
    channels = groups if held.viewed is None else held.viewed[1]
    weights = [Weights(np.repeat(values, channels // groups)) for values in (scale, bias)]
    if held.viewed is None:
        parameters: dict[int, Value] = {0: channels, 1: epsilon, 2: 1}
        conversion.emit(node, "InstanceNorm", [conversion.take(node)], parameters, weights)
        return
    conversion.emit(node, "GroupNorm", [held.blob], {0: groups, 1: channels, 2: epsilon, 3: 1}, weights)
    conversion.hold(node, replace(conversion.held(node, node.outputs[0]), viewed=held.viewed))


NORMALISATIONS: Mapping[str, Convert] = {"Reshape": _reshape, "InstanceNormalization": _normalised}

"""Keep OpenVINO from moving arithmetic past average pools that count their padding.

In a graph with int8 layers OpenVINO takes each multiplication and addition of constants, such as those of the
preprocessing, for a dequantisation, and computes it after a pool instead of before. Both are the same as long
as a pool averages nothing but its input: zeros beyond the border are not moved, but shifted.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

LEAST = float(np.finfo(np.float32).min)  # the larger of a number and this is the number


def with_fixed_pools(
    nodes: list[onnx.NodeProto],
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Let average pools that count zeros beyond the border read their input through an operator that stays.

    Args:
        nodes: of a graph, in order; those of the pools are changed.

    Returns:
        All nodes, and the constants that the added ones read.
    """
    made: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    for node in nodes:
        if node.op_type == "AveragePool" and _counts_padding(node):
            name = f"{node.output[0]}.in_place"
            constants.append(numpy_helper.from_array(np.array(LEAST, np.float32), f"{name}.least"))
            made.append(helper.make_node("Max", [node.input[0], f"{name}.least"], [name], name=name))
            node.input[0] = name
        made.append(node)
    return made, constants


def _counts_padding(pool: onnx.NodeProto) -> bool:
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in pool.attribute}
    padded = any(attributes.get("pads", ())) or attributes.get("auto_pad", b"").startswith(b"SAME")
    return bool(padded and attributes.get("count_include_pad", 0))

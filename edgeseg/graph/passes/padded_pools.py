"""Keep OpenVINO from moving arithmetic past average pools that count their padding.

In a graph with int8 layers OpenVINO takes each multiplication and addition of constants, such as those of the
preprocessing, for a dequantisation, and computes it after a pool instead of before. Both are the same as long
as a pool averages nothing but its input: zeros beyond the border are not moved, but shifted.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseg.graph.modules import count_to_module
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.view import name_of

LEAST = float(np.finfo(np.float32).min)  # the larger of a number and this is the number


class FixPaddedPools(ir.passes.InPlacePass):
    """Let average pools that count zeros beyond the border read their input through an operator that stays.

    Requires:
        pools that compute in float32, or read what is dequantised to it.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Put a Max before each such pool."""
        pools = [node for node in model.graph if node.op_type == "AveragePool" and _counts_padding(node)]
        for pool in pools:
            name = f"{name_of(pool.outputs[0])}.in_place"
            least = constant(model.graph, f"{name}.least", np.array(LEAST, np.float32))
            kept = ir.Node("", "Max", [pool.inputs[0], least], outputs=[ir.Value(name=name)], name=name)
            count_to_module(kept, pool)
            model.graph.insert_before(pool, kept)
            pool.replace_input_with(0, kept.outputs[0])
        return ir.passes.PassResult(model, bool(pools))


def _counts_padding(pool: ir.Node) -> bool:
    attributes = pool.attributes
    padded = any(attributes.get_ints("pads", ())) or attributes.get_string("auto_pad", "").startswith("SAME")
    return bool(padded and attributes.get_int("count_include_pad", 0))

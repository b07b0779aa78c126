"""A graph in float32 computes what the one in half precision does, but for its rounding."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgeseg.graph.widening import in_float32, is_in_half_precision


def test_weights_casts_and_borders_become_float32() -> None:
    weight = np.array([1.0009765625, -3.0], np.float16)
    image, result = (
        helper.make_tensor_value_info(name, kind, [2])
        for name, kind in (("x", TensorProto.FLOAT), ("y", TensorProto.FLOAT16))
    )
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Constant", [], ["one"], value=numpy_helper.from_array(np.float16([1]))),
        helper.make_node("Mul", ["h", "w"], ["m"]),
        helper.make_node("Add", ["m", "one"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "graph", [image], [result], [numpy_helper.from_array(weight, "w")])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    wide = in_float32(proto)
    assert is_in_half_precision(proto)
    assert not is_in_half_precision(wide)
    onnx.checker.check_model(wide, full_check=True)
    pixels = np.array([1.2345678, 0.1], np.float32)
    (found,) = ReferenceEvaluator(wide).run(None, {"x": pixels})
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, pixels * weight.astype(np.float32) + 1)

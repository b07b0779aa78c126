"""Messages that are no graphs are refused where they are read, in one line."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ExportError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.protos import from_proto, to_bytes, to_proto
from tests.graph import small_graphs as graphs


def late(proto: onnx.ModelProto) -> None:
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes[1:], nodes[0]])


def twice(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].output[0] = proto.graph.node[0].output[0]


def missing(proto: onnx.ModelProto) -> None:
    del proto.graph.initializer[:]


def without_output(proto: onnx.ModelProto) -> None:
    proto.graph.output[0].name = "labels"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (late, "Transpose reads 'pixels', which nothing before it computes"),
        (missing, "Mul reads 'scale', which nothing before it computes"),
        (twice, "'pixels' is redeclared"),
        (without_output, "nothing computes the output 'labels'"),
    ],
)
def test_what_is_no_graph_is_refused(change: Callable[[onnx.ModelProto], None], message: str) -> None:
    proto = to_proto(graphs.residual())
    change(proto)
    with pytest.raises(
        ExportError, match=rf"model\.onnx holds no graph \(.*{message}.*\); export the model again"
    ):
        from_proto(proto, "model.onnx")


def test_a_graph_is_what_its_message_was() -> None:
    model = graphs.residual()
    assert to_bytes(from_proto(to_proto(model), "")) == to_bytes(model)


def test_shapes_that_follow_from_small_constants_are_inferred() -> None:
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    made = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "scales"], ["y"])],
        "upsampling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 5])],
        [helper.make_empty_tensor_value_info("y")],
        [scales],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)])
    (output,) = PortableModel("upsampling", proto=model).model.graph.outputs
    assert list(output.shape or ()) == [1, 3, 8, 10]

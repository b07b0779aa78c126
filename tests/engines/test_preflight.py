"""The pre-flight names what TensorRT refuses: the node, its PyTorch line, and the fix."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.engines.preflight import preflight, refuse_unfit
from edgeseg.errors import EngineError
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.portable import PortableModel
from tests.export.small_networks import mask_rcnn
from tests.exported_models import ExportedModels


def graph(
    nodes: list[onnx.NodeProto], *initializers: onnx.TensorProto, height: int | str = 4
) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, height])
    answer = helper.make_empty_tensor_value_info("answer")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("acme", 1)]
    return helper.make_model(
        helper.make_graph(nodes, "broken", [image], [answer], list(initializers)), opset_imports=opsets
    )


def typed(model: onnx.ModelProto) -> ir.Model:
    return InferTypes()(ir.from_proto(model)).model


def test_a_plain_graph_has_no_findings() -> None:
    model = graph([helper.make_node("Relu", ["image"], ["answer"])])
    for backend in ("onnxruntime", "tensorrt", "tensorrt_rtx"):
        assert preflight(typed(model), backend) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            graph([helper.make_node("NonZero", ["image"], ["answer"], "which")]),
            "NonZero which: its output's size",
        ),
        (
            graph([helper.make_node("Relu", ["image"], ["answer"])], height="rows"),
            "shape 1xrows is not fixed",
        ),
        (
            graph([helper.make_node("Magic", ["image"], ["answer"], "trick", domain="acme")]),
            "Magic trick: is of the domain 'acme'",
        ),
        (
            graph(
                [
                    helper.make_node("DequantizeLinear", ["bias", "scale"], ["wide"], "bias of conv1"),
                    helper.make_node("Add", ["image", "wide"], ["answer"]),
                ],
                numpy_helper.from_array(np.zeros(4, np.int32), "bias"),
                numpy_helper.from_array(np.float32(0.1), "scale"),
            ),
            "DequantizeLinear bias of conv1: dequantises int32; leave biases in float",
        ),
        (
            graph([helper.make_node("Cast", ["image"], ["answer"], "widen", to=TensorProto.DOUBLE)]),
            "Cast widen: gives double; compute in float32",
        ),
    ],
)
def test_a_broken_graph_is_refused_with_the_fix(model: onnx.ModelProto, message: str) -> None:
    with pytest.raises(EngineError, match=f"tensorrt will refuse .*{message}"):
        refuse_unfit(typed(model), "tensorrt")
    assert preflight(typed(model), "onnxruntime") == []


def test_findings_name_the_line_of_pytorch_and_the_dense_lowering_has_none(exported: ExportedModels) -> None:
    findings = {
        lowering: preflight(
            PortableModel.read(exported(mask_rcnn, lowering=lowering).path).model, "tensorrt_rtx"
        )
        for lowering in ("onnx", "dense")
    }
    assert findings["dense"] == []
    assert {"NonMaxSuppression", "NonZero", "RoiAlign"} <= {finding.operator for finding in findings["onnx"]}
    (nms, *_) = (finding for finding in findings["onnx"] if finding.operator == "NonMaxSuppression")
    assert nms.source.startswith("models/rpn.py:")
    assert nms.problem.endswith("export with --lowering dense")

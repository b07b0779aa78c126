"""The parser of TensorRT for RTX, which runs anywhere, refuses and takes what the rules say of TensorRT's."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto

from edgeseg.targets.nvidia import PARSER
from tests.targets.rules.test_nodes import OF_THE_PARSER
from tests.targets.small_graphs import graph, node

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")


def parses(model: onnx.ModelProto) -> bool:
    inferred = onnx.shape_inference.infer_shapes(model)
    output = model.graph.output[0]
    output.CopyFrom(inferred.graph.output[0])
    if not output.type.tensor_type.elem_type:
        output.type.tensor_type.elem_type = TensorProto.FLOAT
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    return bool(trt.OnnxParser(network, logger).parse(model.SerializeToString()))


@pytest.mark.parametrize("index", range(len(PARSER)))
def test_the_parser_takes_what_the_rules_take(index: int) -> None:
    broken, mended, _ = OF_THE_PARSER[index]
    assert parses(mended)
    if "TopK" not in PARSER[index].operators:  # TensorRT's documents bound it, and that for RTX takes more
        assert not parses(broken)


def test_types_are_those_of_the_table() -> None:
    for kind, taken in ((TensorProto.FLOAT, True), (TensorProto.INT32, False), (TensorProto.BOOL, False)):
        assert parses(graph([node("Exp", ["x"], ["y"])], kind=kind)) == taken
    assert parses(graph([node("Equal", ["x", "x"], ["y"])], kind=TensorProto.BOOL))

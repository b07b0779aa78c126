"""Graphs of a few nodes, and what ncnn computes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgeseg.engines.ncnn.child import Load, load
from edgeseg.engines.ncnn.conversion import converted
from edgeseg.engines.ncnn.network import parameters_of, write_weights
from edgeseg.graph.portable import PortableModel

OPSET, IR_VERSION = 18, 10
PLANES = (
    helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
    helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
)
"""What brings an image (N, H, W, C) into the form of a network's input, (N, C, H, W)."""


def graph(
    nodes: Sequence[NodeProto],
    constants: Mapping[str, NDArray[Any]],
    shape: Sequence[int],
    *,
    kind: int = TensorProto.UINT8,
    outputs: Sequence[str] = ("logits",),
) -> onnx.ModelProto:
    """Make a graph of an image of a `shape`, (N, H, W, C)."""
    image = helper.make_tensor_value_info("image", kind, shape)
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    given = [helper.make_empty_tensor_value_info(name) for name in outputs]
    made = helper.make_graph(nodes, "graph", [image], given, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return onnx.shape_inference.infer_shapes(model)


def bright_blue() -> ir.Model:
    """Make a graph whose logits say at stride 8 how far the mean blue of a block is from the middle."""
    nodes = [
        *PLANES,
        helper.make_node("Gather", ["planes", "blue"], ["channel"], axis=1),
        helper.make_node("AveragePool", ["channel"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Sub", ["means", "middle"], ["above"]),
        helper.make_node("Div", ["above", "middle"], ["one"]),
        helper.make_node("Neg", ["one"], ["zero"]),
        helper.make_node("Concat", ["zero", "one"], ["logits"], axis=1),
    ]
    constants = {"blue": np.array([0]), "middle": np.array(127.5, np.float32)}
    return ir.from_proto(graph(nodes, constants, (1, 32, 48, 3)))


def ran(model: onnx.ModelProto, image: NDArray[Any]) -> list[NDArray[Any]]:
    """Convert a graph and run it in ncnn, in this process."""
    network = converted(PortableModel("graph", proto=model).model.graph)
    with tempfile.TemporaryDirectory() as folder:
        parameters, weights = Path(folder, "model.param"), Path(folder, "model.bin")
        parameters.write_text(parameters_of(network.layers))
        with weights.open("wb") as file:
            write_weights(network.layers, file)
        names = [output.name for output in model.graph.output]
        run, _ = load(Load(str(parameters), str(weights), names, network.labels, 1))
    return run(image)

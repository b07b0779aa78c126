"""What is read from a graph about each node."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from edgeseg.graph.node_table import node_table
from edgeseg.graph.passes.types import InferTypes
from edgeseg.manifest import MODULE_KEY
from edgeseg.nodes.table import AROUND, GraphNode

OPSET = 20


def constant(name: str, array: NDArray[np.generic]) -> ir.Value:
    return ir.Value(name=name, const_value=ir.tensor(array, name=name))


def described(
    nodes: list[ir.Node], constants: list[ir.Value], shape: list[int | str]
) -> dict[str, GraphNode]:
    """Describe a graph from `x` to the last node's first output."""
    x = nodes[0].inputs[0]
    assert x is not None
    x.type, x.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(shape)
    outputs = nodes[-1].outputs[:1]
    outputs[0].name = "y"
    graph = ir.Graph([x], outputs, nodes=nodes, initializers=constants, opset_imports={"": OPSET}, name="g")
    model = InferTypes()(ir.Model(graph, ir_version=10)).model
    return {node.name: node for node in node_table(model).nodes}


def test_work_and_traffic_of_a_dilated_convolution_are_those_by_hand() -> None:
    weight = constant("network.stem.0.weight", np.zeros((16, 3, 3, 3), np.float32))
    conv = ir.node("Conv", [ir.Value(name="x"), weight], {"dilations": [2, 2]}, name="conv")
    conv.metadata_props[MODULE_KEY] = "stem.1"  # of the normalisation that was folded into it
    relu = ir.node("Relu", conv.outputs, name="relu")
    relu.metadata_props[MODULE_KEY] = "stem.2"
    found = described([conv, relu], [weight], [1, 3, 10, 12])
    assert found["conv"].flop == 2 * (16 * 6 * 8) * (3 * 9)
    assert found["conv"].weight_bytes == 16 * 3 * 9 * 4
    assert found["conv"].data_bytes == 4 * (3 * 10 * 12 + 16 * 6 * 8)
    assert found["conv"].module == "stem.0"
    assert found["conv"].inputs == ("x",)
    assert (found["relu"].flop, found["relu"].module) == (0, "stem.2")
    assert found["relu"].data_bytes == 2 * 4 * 16 * 6 * 8


def test_what_is_of_no_module_stands_around_the_network_where_modules_are_said() -> None:
    modules = {}
    for said in ({}, {MODULE_KEY: "stem"}):
        relu = ir.node("Relu", [ir.Value(name="x")], name="relu")
        relu.metadata_props.update(said)
        last = ir.node("Neg", relu.outputs, name="last")
        modules[len(said)] = [node.module for node in described([relu, last], [], [1, 3]).values()]
    assert modules == {0: ["", ""], 1: ["stem", AROUND]}


def test_sizes_that_depend_on_the_data_leave_the_work_unknown_and_the_weights_known() -> None:
    weight = constant("w", np.zeros((4, 5, 2, 2), np.float32))
    node = ir.node("ConvTranspose", [ir.Value(name="x"), weight], {"strides": [2, 2]}, name="up")
    found = described([node], [weight], ["objects", 4, 10, 12])["up"]
    assert (found.flop, found.data_bytes) == (None, None)
    assert (found.weight_bytes, found.weight_shape) == (4 * 5 * 2 * 2 * 4, (4, 5, 2, 2))


def test_quantised_weights_count_as_they_are_stored() -> None:
    weight = constant("network.head.weight", np.zeros((6, 3, 1, 1), np.int8))
    scale = constant("scale", np.float32(0.1))
    dequantised = ir.node("DequantizeLinear", [weight, scale], name="dequantise")
    conv = ir.node("Conv", [ir.Value(name="x"), *dequantised.outputs], name="conv")
    x = conv.inputs[0]
    assert x is not None
    x.type, x.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([1, 3, 4, 4])
    conv.outputs[0].name = "y"
    graph = ir.Graph(
        [x],
        conv.outputs,
        nodes=[dequantised, conv],
        initializers=[weight, scale],
        opset_imports={"": OPSET},
        name="g",
    )
    table = node_table(InferTypes()(ir.Model(graph, ir_version=10)).model)
    found = table.by_name["conv"]
    assert found.weight_bytes == 6 * 3
    assert found.module == "head"
    assert found.flop == 2 * (6 * 4 * 4) * 3


@pytest.mark.parametrize(("transposed", "shape"), [(0, [20, 30]), (1, [30, 20])])
def test_a_product_counts_alike_with_its_left_side_transposed(
    transposed: int, shape: list[int | str]
) -> None:
    weight = constant("w", np.zeros((30, 40), np.float32))
    node = ir.node("Gemm", [ir.Value(name="x"), weight], {"transA": transposed}, name="fc")
    assert described([node], [weight], shape)["fc"].flop == 2 * 20 * 40 * 30

"""A graph in float16 keeps its contract, and what float16 cannot hold stays in float32."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.precision.calibration import observe
from edgeseg.graph.precision.half import half_candidates, half_layers, to_half
from edgeseg.graph.precision.report import Kept
from edgeseg.graph.protos import check
from edgeseg.graph.view import GraphView
from tests.graph import small_graphs as graphs

FLOAT, HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16

LOOP = """
loop (uint8[1, 4, 4, 1] image) => (float[1, 1, 4, 4] total) {
    trips = Constant<value_int = 3>()
    one = Constant<value_int = 1>()
    yes = Cast<to = 9>(one)
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    features = Conv(planes, w_only)
    total = Loop(trips, yes, start) <body = body (int64 i, bool more, float[1, 1, 4, 4] sum) =>
        (bool again, float[1, 1, 4, 4] next) {
        again = Identity(more)
        next = Add(sum, features)
    }>
}
"""


def converted(model: ir.Model) -> tuple[ir.Model, list[Kept], list[Kept]]:
    view = GraphView(model)
    seen = observe(model, half_candidates(view), graphs.images(model), 1)
    result, kept, operators = to_half(view, {name: tensor.peak for name, tensor in seen.items()})
    check(result.model)
    return result.model, kept, operators


def types_around(node: ir.Node) -> set[ir.DataType | None]:
    return {value.dtype for value in (*node.inputs, *node.outputs) if value is not None}


def test_it_computes_the_same_to_three_digits() -> None:
    model = graphs.residual()
    half, _, _ = converted(model)
    image = graphs.images(model)[:1]
    expected, found = (graphs.run(m, image)["scores"] for m in (model, half))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-3)  # four layers of 2**-11 each
    assert not np.array_equal(found, expected)


def test_layers_are_half_and_what_is_around_them_is_float() -> None:
    half, kept, operators = converted(graphs.residual())
    for node in InferTypes()(half).model.graph:
        if node.op_type in ("Conv", "Relu", "Add"):
            assert types_around(node) == {HALF}
        if node.op_type in ("Mul", "Softmax"):
            assert types_around(node) == {FLOAT}
    assert not kept
    assert {entry.reason.split(":")[0] for entry in operators} == {
        "before the first layer",
        "exponentials and probabilities",
    }


def test_layers_of_nodes_without_names_are_known() -> None:
    model = graphs.residual()
    expected = half_layers(GraphView(model), ())
    for node in model.graph:
        node.name = None
    assert half_layers(GraphView(model), ()) == expected
    assert expected


def test_casts_stand_at_borders_only_and_weights_are_stored_once() -> None:
    model = graphs.residual()
    half, _, _ = converted(model)
    assert graphs.operators(half)["Cast"] - graphs.operators(model)["Cast"] == 2  # into the layers, and out
    assert len(half.graph.initializers) == len(model.graph.initializers)


def test_a_tensor_that_readers_of_both_kinds_share_is_cast_once() -> None:
    text = graphs.RESIDUAL.replace(
        "(float[1, 4, 8, 8] scores)", "(float[1, 4, 8, 8] scores, float[1, 4, 8, 8] first_relu)"
    )
    model = graphs.residual(text=text)
    half, _, _ = converted(model)
    casts = [node for node in half.graph if node.op_type == "Cast" and node.outputs[0].name == "first_relu"]
    assert len(casts) == 1


def test_a_tensor_beyond_the_range_stays_float_and_is_reported() -> None:
    model = graphs.residual(first_gain=1e6)
    half, kept, _ = converted(model)
    assert {"first", "first_relu"} <= {entry.name for entry in kept}
    assert "on the calibration images, float16 ends at 65504" in kept[0].reason
    assert half_layers(GraphView(model), kept) == set()  # the sum is as large, and every layer reads such
    image = graphs.images(model)[:1]
    expected, found = (graphs.run(m, image)["scores"] for m in (model, half))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_weights_beyond_the_range_stay_float_and_are_reported() -> None:
    model = graphs.residual(first_gain=1e-8)
    _, kept, _ = converted(model)
    assert "w_second" in {entry.name for entry in kept}


def test_subgraphs_stay_float_and_read_what_is_cast_for_them() -> None:
    weight = np.ones((1, 1, 1, 1), np.float32)
    model = graphs.model(LOOP, {"w_only": weight, "start": np.zeros((1, 1, 4, 4))})
    half, _, operators = converted(model)
    assert Kept("1 Loop", "a subgraph is left whole") in operators
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    found = graphs.run(half, image)["total"]
    np.testing.assert_array_equal(found.ravel(), 3.0 * np.arange(16))

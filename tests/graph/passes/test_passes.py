"""Passes change copies, say what they require, and leave the rest of a graph as it is."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.errors import EdgesegError
from edgeseg.graph.passes.conditions import UnfitGraphError
from edgeseg.graph.passes.constants import DropUnreadConstants, constant
from edgeseg.graph.passes.given import ComputeFrom
from edgeseg.graph.passes.half import ComputeInHalf
from edgeseg.graph.passes.intermediates import ExposeIntermediates
from edgeseg.graph.passes.outputs import KeepOutputs
from edgeseg.graph.passes.quantised_tensors import QuantisedTensor, QuantiseTensors
from edgeseg.graph.passes.quantised_weights import QuantisedWeight, QuantiseWeights
from edgeseg.graph.passes.samples import ShowSamples
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.protos import to_bytes
from tests.graph import small_graphs as graphs

STEP = QuantisedTensor(np.array(0.5, np.float32), np.array(0, np.int8), ("second",))
WEIGHT = QuantisedWeight(np.ones((4, 3, 3, 3), np.int8), np.ones(4, np.float32), 0)

FLOAT_INPUT = """
direct (float[1, 3, 8, 8] image) => (float[1, 4, 8, 8] features) {
    features = Conv<pads = [1, 1, 1, 1]>(image, w_first)
}
"""


def untyped() -> ir.Model:
    model = graphs.residual()
    for node in model.graph:
        node.outputs[0].type = node.outputs[0].shape = None
    return model


def direct() -> ir.Model:
    return graphs.model(FLOAT_INPUT, {"w_first": np.ones((4, 3, 3, 3))})


def test_a_copy_is_changed_and_shares_the_weights() -> None:
    model = graphs.residual()
    before = to_bytes(model)
    result = changed(model, ComputeInHalf(["first"]), KeepOutputs(["scores"]))
    assert result.modified
    assert to_bytes(model) == before != to_bytes(result.model)
    weights = [m.graph.initializers["w_second"].const_value for m in (model, result.model)]
    assert weights[0] is weights[1]


def test_nothing_to_do_is_no_change() -> None:
    model = graphs.residual()
    result = changed(
        model,
        ComputeInHalf(()),
        QuantiseWeights({}),
        QuantiseTensors({}),
        KeepOutputs(["scores"]),
        InferTypes(),
    )
    assert not result.modified
    assert to_bytes(result.model) == to_bytes(model)


@pytest.mark.parametrize(
    ("model", "step", "message"),
    [
        (untyped(), ComputeInHalf(["first"]), "type of 'first' is not known; run InferTypes"),
        (graphs.residual(), ComputeInHalf(["third"]), "nodes to compute in float16: .* no value 'third'"),
        (direct(), ComputeInHalf(["features"]), "'image', an input of the graph, would be read in float16"),
        (graphs.residual(), QuantiseWeights({"w_third": WEIGHT}), "no weights 'w_third'"),
        (
            graphs.residual(),
            QuantiseWeights({"w_second": WEIGHT}),
            r"'w_second' are .*4,4,3,3.*\(4, 3, 3, 3\)",
        ),
        (graphs.residual(), QuantiseTensors({"image": STEP}), "nothing in the graph computes 'image'"),
        (graphs.residual(), ShowSamples(["a", "b"]), "tensors to see: .* no value 'a', and 1 others"),
        (untyped(), ShowSamples(["first"]), "run InferTypes on the model before"),
        (graphs.residual(), ComputeFrom({}, ["masks"]), "values to become outputs: .* no value 'masks'"),
        (graphs.residual(), KeepOutputs(["labels"]), "outputs to keep: .* no value 'labels'"),
        (
            graphs.residual(),
            ExposeIntermediates(),
            "does not name its intermediate values; export the model again",
        ),
        (
            ir.Model(ir.Graph((), (), nodes=()), ir_version=9),
            InferTypes(),
            "which version of ONNX's operators",
        ),
    ],
)
def test_what_a_pass_requires_is_said_in_one_line(
    model: ir.Model, step: ir.passes.InPlacePass, message: str
) -> None:
    with pytest.raises(UnfitGraphError, match=message) as caught:
        changed(model, step)
    assert isinstance(caught.value, EdgesegError)
    assert "\n" not in str(caught.value)


def test_rounded_tensors_must_be_float32() -> None:
    model = changed(graphs.residual(), ComputeInHalf(["first", "first_relu", "second"])).model
    with pytest.raises(UnfitGraphError, match=r"'first\.fp16' is not float32 but FLOAT16"):
        changed(model, QuantiseTensors({"first.fp16": STEP}))


def test_what_the_file_says_of_types_is_not_believed() -> None:
    model = graphs.residual()
    value = next(node for node in model.graph if node.op_type == "Softmax").inputs[0]
    assert value is not None
    value.type, value.shape = ir.TensorType(ir.DataType.INT8), ir.Shape((7,))
    result = InferTypes()(model)
    assert result.modified
    assert (value.dtype, value.shape) == (ir.DataType.FLOAT, [1, 4, 8, 8])
    assert not InferTypes()(model).modified


def test_a_graph_that_no_message_holds_is_refused() -> None:
    model = graphs.residual()
    model.graph.outputs[0].name = "\ud800"  # no text
    with pytest.raises(UnfitGraphError, match=r"types of the graph cannot be inferred \(.*export the model"):
        InferTypes()(model)


def test_given_values_take_the_place_of_computed_ones() -> None:
    model = graphs.residual()
    given = np.zeros((1, 4, 8, 8), np.float32)
    made = changed(model, ComputeFrom({"logits": given, "unknown": given}, ["scores", "sum"])).model
    outputs = graphs.run(made, graphs.images(model)[:1])
    assert list(outputs) == ["scores", "sum"]
    np.testing.assert_array_equal(outputs["scores"], np.full_like(given, 0.25))
    assert outputs["sum"].any()


def test_dropped_outputs_take_along_what_only_they_need() -> None:
    text = graphs.RESIDUAL.replace("[1, 4, 8, 8] scores)", "[1, 4, 8, 8] scores, float[1, 4, 8, 8] first)")
    made = changed(graphs.residual(text=text), KeepOutputs(["first"])).model
    assert [value.name for value in made.graph.outputs] == ["first"]
    assert graphs.operators(made) == {"Cast": 1, "Transpose": 1, "Mul": 1, "Conv": 1}
    assert set(graphs.constants(made)) == {"w_first", "bias", "scale"}


def test_constants_of_subgraphs_are_read() -> None:
    model = graphs.residual()
    constant(model.graph, "unread", np.zeros(3))
    result = changed(model, DropUnreadConstants())
    assert result.modified
    assert set(graphs.constants(result.model)) == set(graphs.constants(model)) - {"unread"}

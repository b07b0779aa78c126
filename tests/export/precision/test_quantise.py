"""Quantised graphs hold explicit int8 pairs where engines fuse them, and compute nearly the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeseg.export.portable import open_run
from edgeseg.export.precision.calibration import observe
from edgeseg.export.precision.graph import GraphView
from edgeseg.export.precision.quantise import Scheme, plan, quantise, quantised_weights
from tests.export.precision import graphs

POOLED = """
pooled (uint8[1, 8, 8, 3] image) => (float[1, 4, 4, 4] logits) {
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    scaled = Mul(planes, scale)
    first = Conv<pads = [1, 1, 1, 1]>(scaled, w_first, bias)
    first_relu = Relu(first)
    small = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(first_relu)
    both = Concat<axis = 1>(small, small)
    logits = Conv(both, w_head)
}
"""


def quantised(
    model: onnx.ModelProto, scheme: Scheme = "symmetric", float_layers: tuple[str, ...] = ()
) -> onnx.ModelProto:
    view = GraphView(model)
    names = list(plan(view, scheme).source)
    seen = observe(model, names, graphs.images(model), 1)
    made = quantise(model, view, {name: t.peak for name, t in seen.items()}, scheme, float_layers)
    onnx.checker.check_model(made, full_check=True)
    return made


def test_weights_have_a_scale_for_each_output_channel() -> None:
    weights = np.array([[1.0, -127.0], [0.5, 0.25], [0.0, 0.0]])
    values, scales = quantised_weights(weights, 0)
    np.testing.assert_array_equal(values, [[1, -127], [127, 64], [0, 0]])
    np.testing.assert_allclose(scales, [1.0, 0.5 / 127, 1.0])
    _, scales = quantised_weights(weights, 1)
    np.testing.assert_allclose(scales, [1 / 127, 1.0])


@pytest.mark.parametrize("scheme", ["symmetric", "onnxruntime"])
def test_it_computes_nearly_the_same(scheme: Scheme) -> None:
    model = graphs.residual()
    image = graphs.images(model)[:1]
    expected, found = (
        open_run(m.SerializeToString())(image)["scores"] for m in (model, quantised(model, scheme))
    )
    assert np.abs(found - expected).max() < 0.1  # softmax scores; a few steps of 1/127
    assert np.abs(found - expected).mean() < 0.01


def test_the_portable_form_is_symmetric_int8_with_biases_in_float() -> None:
    made = quantised(graphs.residual())
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    for node in made.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = constants[node.input[2]]
            assert zero.dtype == np.int8
            assert not zero.any()
    assert constants["bias"].dtype == np.float32
    assert not any(array.dtype == np.int32 for array in constants.values())


def test_residual_inputs_are_quantised_and_preprocessing_and_softmax_are_not() -> None:
    made = quantised(graphs.residual())
    inputs = {node.op_type: list(node.input) for node in made.graph.node}
    assert inputs["Add"] == ["second.dq", "first_relu.dq"]
    assert inputs["Mul"] == ["planes", "scale"]
    assert inputs["Softmax"] == ["logits"]


def test_what_is_only_moved_keeps_its_scale() -> None:
    rng = np.random.default_rng(0)
    model = graphs.model(
        POOLED,
        {
            "w_first": rng.normal(size=(4, 3, 3, 3)),
            "w_head": rng.normal(size=(4, 8, 1, 1)),
            "bias": np.zeros(4),
            "scale": np.array(1 / 255),
        },
    )
    planned = plan(GraphView(model), "symmetric")
    assert planned.source["small"] == "first_relu"
    assert {"scaled", "first_relu", "small", "both"} == set(planned.source)


def test_a_layer_left_in_float_reads_and_holds_floats() -> None:
    made = quantised(graphs.residual(), float_layers=("w_second",))
    second = next(node for node in made.graph.node if node.output[0] == "second")
    assert list(second.input) == ["first_relu", "w_second", "bias"]
    add = next(node for node in made.graph.node if node.op_type == "Add")
    assert list(add.input) == ["second", "first_relu"]


def test_for_onnx_runtime_a_relu_is_unsigned_and_the_last_layer_stays_float() -> None:
    model = graphs.residual()
    planned = plan(GraphView(model), "onnxruntime")
    assert [kept.name for kept in planned.float_layers] == ["w_head"]
    made = quantised(model, "onnxruntime")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    assert constants["first_relu.zero"] == np.uint8(0)
    assert constants["second.zero"] == np.uint8(128)


def test_for_onnx_runtime_a_float_layer_leaves_the_other_side_of_a_sum_in_int8() -> None:
    model = graphs.residual()
    planned = plan(GraphView(model), "onnxruntime", ["w_second"])
    assert [kept.name for kept in planned.float_layers] == ["w_head"]
    assert set(planned.weights) == {"w_first"}

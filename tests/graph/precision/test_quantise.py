"""Quantised graphs hold explicit int8 pairs where engines fuse them, and compute nearly the same."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.graph.precision.calibration import observe
from edgeseg.graph.precision.quantise import plan, quantise
from edgeseg.graph.protos import check
from edgeseg.graph.view import GraphView
from edgeseg.spec import Int8Scheme
from tests.graph import small_graphs as graphs

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
    model: ir.Model,
    scheme: Int8Scheme = "symmetric",
    float_layers: tuple[str, ...] = (),
    *,
    narrow: bool = False,
) -> ir.Model:
    view = GraphView(model)
    names = list(plan(view, scheme).source)
    seen = observe(model, names, graphs.images(model), 1)
    peaks = {name: tensor.peak for name, tensor in seen.items()}
    made = quantise(view, peaks, scheme, float_layers, narrow=narrow).model
    check(made)
    return made


def score_deviation(model: ir.Model, made: ir.Model, image: np.ndarray) -> float:
    """Propagate what rounding adds, by the arithmetic of the residual block: the scores' standard deviation.

    A value rounded to steps of s is off by s / sqrt(12) in the mean square, and errors of different values
    are independent; through a convolution, those of its input are weighed by its weights, those of its
    weights by its input. A score p moves by p (1 - p) <= 1/4 of what the difference of two logits does.
    """
    size = np.array([8, 8])
    weights, steps = graphs.constants(model), graphs.constants(made)
    pixels = image[0].transpose(2, 0, 1).astype(np.float64) / 255

    def convolved(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        margin = kernel.shape[2] // 2
        padded = np.pad(values, ((0, 0), (margin, margin), (margin, margin)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
        assert windows.shape[1:3] == tuple(size)
        return np.einsum("ihwyx,oiyx->ohw", windows, kernel)

    def rounding(name: str) -> np.ndarray:
        return np.asarray(steps.get(f"{name}.scale", 0.0), np.float64) ** 2 / 12

    def passed(name: str, values: np.ndarray, variance: np.ndarray, output: str) -> np.ndarray:
        """Give the variance of a convolution's output."""
        kernel = weights[name].astype(np.float64)
        own = np.ones_like(kernel) * rounding(name).reshape(-1, 1, 1, 1)
        return convolved(variance, kernel**2) + convolved(values**2, own) + rounding(output)

    first = np.maximum(
        convolved(pixels, weights["w_first"].astype(np.float64))
        + weights["bias"].reshape(-1, 1, 1).astype(np.float64),
        0,
    )
    second = convolved(first, weights["w_second"].astype(np.float64)) + weights["bias"].reshape(-1, 1, 1)
    after_first = passed("w_first", pixels, np.full_like(pixels, rounding("scaled")), "first_relu")
    after_second = passed("w_second", first, after_first, "second")
    after_sum = after_first + after_second + rounding("sum_relu") + rounding("sum")
    logits = passed("w_head", np.maximum(first + second, 0), after_sum, "logits")
    return float(np.sqrt(2 * logits.max()) / 4)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("scheme", ["symmetric", "unsigned_io"])
def test_what_the_graph_means_is_the_network_up_to_rounding(scheme: Int8Scheme, narrow: bool) -> None:
    model = graphs.residual()
    image = graphs.images(model)[:1]
    made = quantised(model, scheme, narrow=narrow)
    expected = graphs.run(model, image)["scores"]
    found = graphs.run(made, image, as_written=True)["scores"]
    assert np.abs(found - expected).max() < 5 * score_deviation(model, made, image)  # 256 normal values


@pytest.mark.parametrize("scheme", ["symmetric", "unsigned_io"])
def test_kernels_compute_what_the_graph_means_on_any_processor(scheme: Int8Scheme) -> None:
    """Narrow weights leave kernels that add two products in 16 bits nothing to saturate."""
    model = graphs.residual()
    image = graphs.images(model)[:1]
    made = quantised(model, scheme, narrow=True)
    expected, found = (graphs.run(made, image, as_written=exact)["scores"] for exact in (True, False))
    # Where a value lies between two steps, float32 may round it to either: far fewer than rounding moves.
    assert np.abs(found - expected).max() < 2 * score_deviation(model, made, image)


def test_the_portable_form_is_symmetric_int8_with_biases_in_float() -> None:
    made = quantised(graphs.residual())
    constants = graphs.constants(made)
    for node in made.graph:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = constants[graphs.inputs(node)[2]]
            assert zero.dtype == np.int8
            assert not zero.any()
    assert constants["bias"].dtype == np.float32
    assert not any(array.dtype == np.int32 for array in constants.values())


def test_nodes_need_no_names() -> None:
    model = graphs.residual()
    expected = graphs.operators(quantised(model))
    for node in model.graph:
        node.name = None
    assert graphs.operators(quantised(model)) == expected
    assert expected["QuantizeLinear"]


def test_residual_inputs_are_quantised_and_preprocessing_and_softmax_are_not() -> None:
    made = quantised(graphs.residual())
    inputs = {node.op_type: graphs.inputs(node) for node in made.graph}
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
    second = next(node for node in made.graph if node.outputs[0].name == "second")
    assert graphs.inputs(second) == ["first_relu", "w_second", "bias"]
    add = next(node for node in made.graph if node.op_type == "Add")
    assert graphs.inputs(add) == ["second", "first_relu"]


def test_for_onnx_runtime_a_relu_is_unsigned_and_the_last_layer_stays_float() -> None:
    model = graphs.residual()
    planned = plan(GraphView(model), "unsigned_io")
    assert [kept.name for kept in planned.float_layers] == ["w_head"]
    made = quantised(model, "unsigned_io")
    constants = graphs.constants(made)
    assert constants["first_relu.zero"] == np.uint8(0)
    assert constants["second.zero"] == np.uint8(128)


def test_for_onnx_runtime_a_float_layer_leaves_the_other_side_of_a_sum_in_int8() -> None:
    model = graphs.residual()
    planned = plan(GraphView(model), "unsigned_io", ["w_second"])
    assert [kept.name for kept in planned.float_layers] == ["w_head"]
    assert set(planned.weights) == {"w_first"}


def test_for_onnx_runtime_nothing_is_rounded_where_nothing_computes_in_int8() -> None:
    """Also not before the last layer, which is in float because nothing reads it in int8."""
    model = graphs.residual()
    made = quantised(model, "unsigned_io", ("w_first", "w_second"))
    assert graphs.operators(made) == graphs.operators(model)
    image = graphs.images(model)[:1]
    expected, found = (graphs.run(m, image)["scores"] for m in (model, made))
    np.testing.assert_array_equal(found, expected)


def test_a_relu6_is_unsigned_so_that_onnx_runtime_fuses_it() -> None:
    weights = graphs.constants(graphs.residual())
    text = graphs.RESIDUAL.replace("Relu(first)", "Clip(first, least, most)")
    model = graphs.model(text, {**weights, "least": np.array(0.0), "most": np.array(6.0)})
    made = quantised(model, "unsigned_io")
    zeros = graphs.constants(made)
    assert zeros["first_relu.zero"] == np.uint8(0)
    assert zeros["second.zero"] == np.uint8(128)

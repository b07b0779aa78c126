"""A convolution of concatenated maps is the sum of convolutions of each."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.graph.passes.catalogue import applied
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.split_concats import SplitConcats
from tests.graph import small_graphs as graphs

ROUNDING = 1e-5  # of the largest value: float32, summed in another order

JOINED = """
joined (uint8[1, {size}, {size}, 3] image) => (float[1, 2, H, W] logits) {{
    pixels = Cast<to = 1>(image)
    first = Transpose<perm = [0, 3, 1, 2]>(pixels)
    second = Conv(first, w_second)
    mean = ReduceMean<keepdims = 1>(first, axes)
    repeated = Expand(mean, shape)
    cat = Concat<axis = 1>(first, second, repeated)
    logits = Conv<pads = {pads}, strides = [{stride}, {stride}]>(cat, w, bias)
}}
"""


def joined(size: int, kernel: int, pad: int, stride: int, text: str = JOINED) -> ir.Model:
    """Concatenate the image, a map of four channels and the image's mean; convolve."""
    random = np.random.default_rng(size)
    settings_of_nodes = f"<int64[2] axes = {{2, 3}}, int64[4] shape = {{1, 3, {size}, {size}}}>"
    text = text.format(size=size, pads=[pad] * 4, stride=stride).replace(" {", f" {settings_of_nodes} {{", 1)
    constants = {
        "w_second": random.normal(size=(4, 3, 1, 1)),
        "w": random.normal(size=(2, 10, kernel, kernel)),
        "bias": random.normal(size=2),
    }
    return graphs.model(text, constants)


def test_of_a_pointwise_convolution_the_mean_is_convolved_as_a_vector() -> None:
    made = joined(4, 1, 0, 1)
    after = applied(made, {SplitConcats.title: ["logits"]})
    assert graphs.operators(after)["Concat"] == 0
    vector = next(
        node.inputs[0] for node in after.graph if node.op_type == "Expand" and node.outputs[0].uses()
    )
    assert vector is not None
    assert vector.shape == ir.Shape([1, 2, 1, 1])
    image = np.array([10, 20, 30], np.uint8) * np.ones((1, 4, 4, 1), np.uint8)  # its mean is each pixel
    weights, second = graphs.constants(made)["w"][:, :, 0, 0], graphs.constants(made)["w_second"][:, :, 0, 0]
    pixel = np.array([10.0, 20.0, 30.0])
    by_hand = weights @ np.concatenate([pixel, second @ pixel, pixel]) + graphs.constants(made)["bias"]
    np.testing.assert_allclose(graphs.run(after, image)["logits"][0, :, 1, 2], by_hand, rtol=ROUNDING)


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(3, 7),
    kernel=st.integers(1, 3),
    pad=st.integers(0, 2),
    stride=st.integers(1, 2),
)
def test_the_numbers_stay(size: int, kernel: int, pad: int, stride: int) -> None:
    made = joined(size, kernel, pad, stride)
    after = applied(made, {SplitConcats.title: ["logits"]})
    assert graphs.operators(after)["Concat"] == 0
    image = graphs.images(made, 1)
    expected = graphs.run(made, image)["logits"]
    error = np.abs(graphs.run(after, image)["logits"] - expected).max()
    assert error <= ROUNDING * np.abs(expected).max()


@pytest.mark.parametrize(
    "other",
    [
        JOINED.replace("(cat, w, bias)", "(cat, w, bias)\n    more = Relu(cat)"),
        JOINED.replace("logits = Conv<", "same = Identity(w)\n    logits = Conv<").replace(
            "(cat, w,", "(cat, same,"
        ),
    ],
    ids=["read by another", "weights that are computed"],
)
def test_other_concatenations_stay(other: str) -> None:
    made = joined(4, 1, 0, 1, other)
    assert SplitConcats().sites(made) == []
    assert not changed(made, SplitConcats()).modified

"""A network is written as ncnn reads it: who reads a blob has it alone, and numbers are short enough."""

from __future__ import annotations

import io

import numpy as np
import pytest

from edgeseg.engines.ncnn.network import Layer, Weights, fused, parameters_of, split, write_weights

CONVOLUTION = Layer(
    "Convolution",
    "c",
    ("image",),
    ("1",),
    {0: 2, 1: 1, 5: 1, 6: 2},
    (Weights(np.array([1, 2], np.float32), tagged=True), Weights(np.array([3, 4], np.float32))),
)
LAYERS = [
    Layer("Input", "image", (), ("image",)),
    CONVOLUTION,
    Layer("Clip", "six", ("1",), ("2",), {0: -0.1, 1: 6.0}),
    Layer("Sigmoid", "s", ("2",), ("3",)),
    Layer("BinaryOp", "both", ("2", "3"), ("4",), {0: 2}),
]


def test_a_network_is_written_as_by_hand() -> None:
    layers = split(fused(LAYERS, ("4", "2")), {"logits": "4", "raw": "2"})
    assert parameters_of(layers).splitlines() == [
        "7767517",
        "5 7",
        "Input image 0 1 image",
        "Convolution c 1 1 image 2 0=2 1=1 5=1 6=2 9=3 -23310=2,-1.00000001e-01,6.00000000e+00",
        "Split 2_split 1 3 2 2_0 2_1 raw",
        "Sigmoid s 1 1 2_0 3",
        "BinaryOp both 2 1 2_1 3 logits 0=2",
    ]
    file = io.BytesIO()
    write_weights(layers, file)
    np.testing.assert_array_equal(
        np.frombuffer(file.getvalue(), "<f4"), [0, 1, 2, 3, 4]
    )  # a tag, then values


@pytest.mark.parametrize("value", [-1e-38, -3.4028234663852886e38, 0.1, -1.0, 1 / 3])
def test_a_number_is_read_again_as_it_was_by_versions_that_read_15_characters(value: float) -> None:
    *_, word = parameters_of([Layer("ReLU", "r", ("a",), ("b",), {0: value})]).split()
    text = word.removeprefix("0=")
    assert len(text) <= 15
    assert np.float32(text) == np.float32(value)
    assert "." in text


def test_what_others_read_too_is_not_fused() -> None:
    layers = [*LAYERS[:2], Layer("ReLU", "r", ("1",), ("2",)), Layer("BinaryOp", "b", ("1", "2"), ("3",))]
    assert fused(layers, ("3",)) == layers
    assert fused(layers[:3], ("1", "2")) == layers[:3]
    assert [layer.name for layer in fused(layers[:3], ("2",))] == ["image", "c"]

"""Weights in int8 have a scale a channel, and leave room where two products are added in 16 bits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeseg.graph.precision.weights import LARGEST_PAIR, adds_pairs, quantised_weights

BRIGHTEST = 255  # an activation without a sign
LARGEST_SUM = 2**15 - 1  # in 16 bits


def test_weights_have_a_scale_for_each_output_channel() -> None:
    weights = np.array([[1.0, -127.0], [0.5, 0.25], [0.0, 0.0]])
    values, scales = quantised_weights(weights, 0)
    np.testing.assert_array_equal(values, [[1, -127], [127, 64], [0, 0]])
    np.testing.assert_allclose(scales, [1.0, 0.5 / 127, 1.0])
    _, scales = quantised_weights(weights, 1)
    np.testing.assert_allclose(scales, [1 / 127, 1.0])


def test_narrow_weights_lose_a_bit_only_where_two_are_large() -> None:
    weights = np.array([[1.0, 1.0, 0.0], [127.0, 1.0, -127.0], [-2.0, -1.0, 0.0], [0.0, 0.0, 0.0]])
    values, scales = quantised_weights(weights, 0, narrow=True)
    np.testing.assert_array_equal(values, [[63, 63, 0], [125, 1, -125], [-84, -42, 0], [0, 0, 0]])
    np.testing.assert_allclose(scales, [1 / 63, 128 / 126, 3 / 126, 1.0])


@example(np.full((3, 6), 1.23e-43, np.float32))  # no scale of such weights has enough bits
@given(arrays(np.float32, (3, 6), elements=st.floats(-10, 10, width=32)))
def test_no_two_products_with_narrow_weights_overflow_16_bits(weights: np.ndarray) -> None:
    values, scales = quantised_weights(weights, 0, narrow=True)
    for row in values.astype(int):
        for first, second in combinations(row, 2):
            assert -LARGEST_SUM - 1 <= BRIGHTEST * (first + second) <= LARGEST_SUM
    steps = np.abs(values * scales[:, None] - weights) / scales[:, None]
    assert steps.max() <= 1 + 1e-3
    assert BRIGHTEST * LARGEST_PAIR <= LARGEST_SUM < BRIGHTEST * (LARGEST_PAIR + 1)


@pytest.mark.parametrize(
    ("operator", "shape", "groups", "adds"),
    [
        ("Conv", (8, 4, 3, 3), 1, True),
        ("Conv", (8, 1, 3, 3), 8, False),
        ("Conv", (8, 2, 3, 3), 4, True),
        ("Conv", (8, 1, 3, 3), 1, True),
        ("Gemm", (8, 1), 1, True),
    ],
)
def test_depthwise_convolutions_add_in_32_bits(
    operator: str, shape: tuple[int, ...], groups: int, adds: bool
) -> None:
    attributes = [ir.AttrInt64("group", groups)] if operator == "Conv" else []
    weights = ir.Value(name="w", shape=ir.Shape(shape))
    assert adds_pairs(ir.Node("", operator, [ir.Value(name="x"), weights], attributes)) == adds

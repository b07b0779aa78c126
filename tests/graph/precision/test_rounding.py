"""Weights are rounded so that what a constant input adds up to stays right."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeseg.graph.precision.rounding import cancelling

LEVELS = 127


def test_the_weights_nearest_to_a_half_are_rounded_the_other_way() -> None:
    kernel = np.array([[[0.4, 0.45, 0.3, 5.0]]])  # the nearest integers lose 1.15 of 6.15
    np.testing.assert_array_equal(cancelling(kernel, LEVELS), [[[0, 1, 0, 5]]])


def test_across_a_channel_each_kernel_gives_one_weight() -> None:
    channel = np.array([[[3.4], [-2.6], [1.45], [0.3]]])  # the nearest lose 1.55
    np.testing.assert_array_equal(cancelling(channel, LEVELS), [[[4], [-3], [2], [0]]])


def test_what_is_at_the_end_of_the_range_stays_there() -> None:
    kernel = np.array([[[126.6, -126.6, 126.9, 126.8]]])
    assert np.abs(cancelling(kernel, LEVELS)).max() <= LEVELS


@given(arrays(np.float64, (2, 5, 9), elements=st.floats(-126, 126)))
def test_errors_of_each_kernel_and_each_channel_cancel_out(scaled: np.ndarray) -> None:
    rounded = cancelling(scaled, LEVELS)
    errors = rounded - scaled
    assert np.array_equal(rounded, np.rint(rounded))
    assert np.abs(errors).max() <= 1
    assert np.abs(errors.sum(axis=2)).max() <= 1 + 1e-9  # 1/2 before one weight went to the channel's sum
    assert np.abs(errors.sum(axis=(1, 2))).max() <= 0.5 + 1e-9
    nearest = np.rint(scaled) - scaled
    assert np.abs(errors.sum(axis=(1, 2))).max() <= max(np.abs(nearest.sum(axis=(1, 2))).max(), 0.5) + 1e-9

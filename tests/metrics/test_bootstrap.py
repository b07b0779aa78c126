"""Intervals cover what they should, and draws are of images."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.metrics.bootstrap import draws, interval, nan_mean


def test_a_draw_holds_as_many_images_as_there_are() -> None:
    weights = draws(7, resamples=50)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert (draws(7, resamples=50) == weights).all(), "the same every time"


def test_the_interval_of_a_mean_is_the_one_that_theory_gives() -> None:
    values = np.random.default_rng(5).normal(0.6, 0.1, size=400)
    low, high = interval(draws(400) @ values / 400)
    spread = 1.96 * values.std() / 20  # of a mean of 400
    assert (low, high) == pytest.approx((values.mean() - spread, values.mean() + spread), abs=0.1 * spread)


def test_what_is_not_defined_is_left_out() -> None:
    figures = np.array([[0.2, np.nan, np.nan], [0.2, np.nan, 0.4]])
    low, high = interval(figures)
    assert low == pytest.approx([0.2, np.nan, 0.4], nan_ok=True)
    assert high == pytest.approx([0.2, np.nan, 0.4], nan_ok=True)
    assert nan_mean(figures) == pytest.approx([0.2, 0.3])
    assert np.isnan(nan_mean(figures[:, 1:2])).all()

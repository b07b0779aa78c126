"""A range is above 0, no wider than what was seen, and narrower where outliers cost more than they hold."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.graph.precision.calibration import Observed
from edgeseg.graph.precision.ranges import LEAST_PEAK, LEVELS, threshold
from edgeseg.spec import CalibrationMethod

METHODS: tuple[CalibrationMethod, ...] = get_args(CalibrationMethod)


def seen(values: np.ndarray) -> Observed:
    observed = Observed()
    observed.add(values.astype(np.float32), (float(values.min()), float(values.max())))
    return observed


def squared_error(values: np.ndarray, limit: float) -> float:
    step = limit / LEVELS
    return float(((np.clip(np.rint(values / step), -LEVELS, LEVELS) * step - values) ** 2).sum())


@pytest.mark.parametrize("method", METHODS)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50))
@settings(deadline=None, max_examples=25)
def test_a_range_is_above_0_and_at_most_the_peak(method: CalibrationMethod, values: list[float]) -> None:
    array = np.array(values, np.float32)
    peak = float(np.abs(array).max())
    assert 0 < threshold(seen(array), method) <= (peak if peak >= LEAST_PEAK else 1.0)


def test_minmax_takes_everything_and_percentile_cuts_one_in_ten_thousand() -> None:
    values = np.arange(1.0, 20001.0)
    values[-1] = 1e6
    assert threshold(seen(values), "minmax") == 1e6
    assert threshold(seen(values), "percentile") == pytest.approx(19998.0, abs=1.0)


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_an_outlier_is_cut_off(method: CalibrationMethod) -> None:
    values = np.random.default_rng(0).normal(0.0, 1.0, 20000)
    values[0] = 30.0
    assert threshold(seen(values), method) < 15.0


def test_mse_rounds_better_than_minmax() -> None:
    values = np.random.default_rng(0).laplace(0.0, 1.0, 20000)
    mse, minmax = (squared_error(values, threshold(seen(values), method)) for method in ("mse", "minmax"))
    assert mse < minmax


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_of_zeros_gets_some_scale(method: CalibrationMethod) -> None:
    assert threshold(seen(np.zeros(10)), method) == 1.0

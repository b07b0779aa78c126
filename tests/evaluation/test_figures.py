"""Differences are of the same draws, and what is not defined is null."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeseg.evaluation.figures import Difference, Figure, Figures, compared
from edgeseg.metrics.bootstrap import draws


class Means:
    """A sheet whose figure is the mean of a number an image."""

    def __init__(self, values: list[float]) -> None:
        self.values = np.array(values)

    def __len__(self) -> int:
        return len(self.values)

    def figures(self) -> Figures:
        return self.drawn(np.ones((1, len(self)), np.int64)).first()

    def drawn(self, weights: np.ndarray) -> Figures:
        means = weights @ self.values / weights.sum(axis=1)
        undefined = np.full(len(means), np.nan)
        return Figures({"mean": means}, {"of": np.stack([means / 2, undefined], axis=-1)})


def test_what_is_hard_for_both_falls_out_of_the_difference() -> None:
    """Images differ much, the two networks by 0.01 on each: the interval of the difference is just that."""
    hard = np.random.default_rng(0).random(50)
    overall, classes = compared(Means(list(hard - 0.01)), Means(list(hard)))
    figure = overall["mean"]
    assert figure.interval[1] - figure.interval[0] > 0.1
    assert figure.difference is not None
    assert figure.difference.other == pytest.approx(hard.mean())
    assert figure.difference.value == pytest.approx(-0.01)
    assert figure.difference.interval == pytest.approx((-0.01, -0.01))
    assert figure.interval == pytest.approx(np.percentile(draws(50) @ (hard - 0.01) / 50, (2.5, 97.5)))
    first, second = classes["of"]
    assert first.value == pytest.approx(figure.value / 2)
    assert np.isnan(second.value)


def test_without_another_there_is_no_difference() -> None:
    overall, _ = compared(Means([0.2, 0.4]))
    assert overall["mean"].value == pytest.approx(0.3)
    assert overall["mean"].difference is None


def test_json_has_null_for_what_is_not_defined() -> None:
    nothing = float("nan"), float("nan")
    value = Figure(0.5, (0.4, 0.6), Difference(0.6, -0.1, nothing)).to_json_value()
    assert json.loads(json.dumps(value, allow_nan=False)) == {
        "value": 0.5,
        "interval": [0.4, 0.6],
        "against": 0.6,
        "difference": -0.1,
        "difference_interval": None,
    }
    assert Figure(float("nan"), nothing).to_json_value() == {"value": None, "interval": None}

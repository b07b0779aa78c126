"""The front holds what nothing is better than in all respects."""

from __future__ import annotations

from edgeseg.tune.pareto import dominates, front


def test_the_front_of_a_few_engines_by_hand() -> None:
    fast, exact, between, worse = (10.0, 0.4), (30.0, 0.0), (20.0, 0.2), (31.0, 0.3)
    assert front([fast, exact, between, worse]) == [True, True, True, False]


def test_figures_within_noise_are_the_same() -> None:
    assert not dominates((10.0, 100.0), (10.1, 101.0))
    assert dominates((10.1, 50.0), (10.0, 100.0))  # half the memory, and as fast within noise


def test_equal_engines_are_all_on_the_front() -> None:
    assert front([(1.0, 0.0), (1.0, 0.0)]) == [True, True]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.profiling.statistics import (
    LONGEST_BLOCK,
    MIN_INTERVAL_SAMPLES,
    block_length,
    distribution,
    rank,
    samples_needed,
)


def test_percentiles_by_hand() -> None:
    # 1..10 ms: 5 samples are 50 % and reach 5 ms, 9 are 90 % and reach 9 ms, 99 % takes all ten
    summary = distribution([3, 1, 2, 10, 9, 8, 7, 4, 5, 6])
    assert (summary.p50, summary.p90, summary.p99, summary.max, summary.samples) == (5, 9, 10, 10, 10)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        distribution([])


def test_samples_needed_are_those_of_mlperfs_rules() -> None:
    assert (samples_needed(90), samples_needed(99)) == (64, 662)
    # by hand: 0.5^n + n 0.5^n is 11/1024 = 0.0107 for n = 10, and 12/2048 = 0.0059 for n = 11
    assert samples_needed(50) == 11


def test_a_percentile_with_too_few_samples_says_so() -> None:
    assert distribution([1.0] * 64).enough == {"p50": True, "p90": True, "p99": False}
    assert distribution([1.0] * 662).enough == {"p50": True, "p90": True, "p99": True}


@given(st.lists(st.floats(0, 100), min_size=MIN_INTERVAL_SAMPLES, max_size=100))
def test_an_interval_holds_durations_that_occurred_and_lies_among_them(samples: list[float]) -> None:
    summary = distribution(samples)
    for low, high in summary.intervals.values():
        assert min(samples) <= low <= high <= max(samples)
        assert {low, high} <= set(samples)


def test_too_few_samples_have_no_interval() -> None:
    assert distribution([1.0] * (MIN_INTERVAL_SAMPLES - 1)).intervals == {}


def test_the_interval_of_a_median_holds_it_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        low, high = distribution(generator.exponential(1.0, 200).tolist()).intervals["p50"]
        held += low <= np.log(2) <= high
    assert 180 <= held <= 199  # 95 % of 200, within three standard deviations


def test_samples_that_follow_each_other_alike_are_kept_together() -> None:
    generator = np.random.default_rng(2)
    noise = generator.normal(size=2000)
    drifting = np.repeat(generator.normal(size=40), 50)
    assert block_length(noise) <= 20
    assert block_length(drifting) >= 50
    assert block_length(np.sort(noise)) <= LONGEST_BLOCK * 2000
    assert block_length(np.ones(100)) >= 1


def test_the_interval_is_wider_where_the_clock_changed() -> None:
    steady = np.random.default_rng(3).normal(10, 1, 400)
    changed = np.sort(steady)  # the same durations, the long ones last
    low, high = distribution(steady.tolist()).intervals["p50"]
    wide_low, wide_high = distribution(changed.tolist()).intervals["p50"]
    assert wide_high - wide_low > 2 * (high - low)


def test_the_same_samples_have_the_same_interval() -> None:
    samples = np.random.default_rng(4).exponential(1.0, 50).tolist()
    assert distribution(samples) == distribution(samples)


@given(st.integers(1, 1000), st.integers(1, 100))
def test_a_rank_is_the_first_that_enough_samples_do_not_exceed(count: int, percent: int) -> None:
    index = rank(count, percent)
    assert 100 * (index + 1) >= percent * count
    assert index == 0 or 100 * index < percent * count

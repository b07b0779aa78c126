from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.profiling.ratios import SAME_WITHIN, Ratio, paired_ratio, unpaired_ratio

GENERATOR = np.random.default_rng(7)


def drifting(count: int) -> np.ndarray:
    """Durations of about 20 ms while the machine slows down by half and waits now and then."""
    drift = np.linspace(1.0, 1.5, count)
    return 20 * drift * GENERATOR.lognormal(0, 0.03, count)


def test_the_ratio_is_of_the_medians() -> None:
    ratio = paired_ratio([1, 2, 3, 4, 100], [2, 4, 6, 8, 9])
    assert ratio.value == 2.0  # 6 by 3


def test_a_drift_that_hits_both_alike_cancels() -> None:
    drift = drifting(100)
    ratio = paired_ratio((drift * GENERATOR.lognormal(0, 0.01, 100)).tolist(), (1.1 * drift).tolist())
    assert ratio.is_different
    assert 1.05 < ratio.low <= ratio.value <= ratio.high < 1.15
    assert ratio.high - ratio.low < 0.05
    alone = unpaired_ratio(drift.tolist(), (1.1 * drift).tolist())
    assert alone.high - alone.low > 0.1  # where nothing says that they were measured in turn


def test_an_engine_is_not_different_from_itself() -> None:
    different = 0
    for _ in range(40):
        drift = drifting(60)
        both = [(drift * GENERATOR.lognormal(0, 0.02, 60)).tolist() for _ in range(2)]
        different += paired_ratio(*both, coverage=0.975).is_different
    assert different <= 2


def test_a_difference_beyond_noise_is_found_either_way() -> None:
    first = GENERATOR.lognormal(0, 0.05, 100)
    second = 1.2 * GENERATOR.lognormal(0, 0.05, 100)
    assert paired_ratio(first.tolist(), second.tolist()).is_different
    back = paired_ratio(second.tolist(), first.tolist())
    assert back.is_different
    assert back.high < 1


def test_what_its_place_in_memory_makes_is_no_difference() -> None:
    assert not Ratio(1.005, 1.004, 1 + SAME_WITHIN, 0.95).is_different
    assert Ratio(1.02, 1.015, 1.025, 0.95).is_different
    assert not Ratio(0.995, 1 / (1 + SAME_WITHIN), 0.999, 0.95).is_different


def test_a_wider_coverage_gives_a_wider_interval() -> None:
    first, second = GENERATOR.lognormal(0, 0.1, 80).tolist(), GENERATOR.lognormal(0, 0.1, 80).tolist()
    narrow, wide = (paired_ratio(first, second, coverage=each) for each in (0.8, 0.99))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_runs_of_unequal_length_are_compared_by_their_medians() -> None:
    ratio = unpaired_ratio([10.0] * 20, [12.0] * 50)
    assert (ratio.value, ratio.low, ratio.high) == (1.2, 1.2, 1.2)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="5 samples at least, got 2"):
        paired_ratio([1.0, 2.0], [1.0, 2.0])


def test_durations_that_follow_each_other_alike_count_as_fewer() -> None:
    noise = GENERATOR.lognormal(0, 0.05, 100)
    alike = np.repeat(GENERATOR.lognormal(0, 0.05, 10), 10)
    apart, together = (paired_ratio([1.0] * 100, each.tolist()) for each in (noise, alike))
    assert together.high - together.low > 2 * (apart.high - apart.low)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_durations_that_cannot_be_are_refused(wrong: float) -> None:
    for ratio in (paired_ratio, unpaired_ratio):
        with pytest.raises(ValueError, match="finite and above 0"):
            ratio([1.0, 2.0, 3.0, 4.0, wrong], [1.0] * 5)

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.profiling.report import Warmup
from edgeseg.runtime.profiling.warmup import MOST_S, Warming, is_steady


def test_fewer_than_two_windows_say_nothing() -> None:
    assert not is_steady([1.0] * 9)
    assert is_steady([1.0] * 10)


def test_durations_that_fall_are_not_steady_until_they_stay() -> None:
    falling = [0.9**number for number in range(20)]
    assert not is_steady(falling)
    assert is_steady([*falling, *[falling[-1]] * 10])


def test_a_step_of_a_tenth_is_seen_and_one_of_a_fiftieth_is_not() -> None:
    assert not is_steady([1.1] * 5 + [1.0] * 5)
    assert not is_steady([1.0] * 5 + [1.1] * 5)  # a clock that falls
    assert is_steady([1.02] * 5 + [1.0] * 5)


def test_one_outlier_is_not_a_change() -> None:
    assert is_steady([1.0] * 9 + [5.0])


def test_what_scatters_by_itself_becomes_steady() -> None:
    durations = np.random.default_rng(0).lognormal(0, 0.3, 200).tolist()
    assert any(is_steady(durations[:count]) for count in range(10, 40))


def test_the_warm_up_ends_where_durations_are_steady() -> None:
    warming = Warming(None)
    durations = [5.0, 2.0, 1.5, 1.2, 1.1, *[1.0] * 30]
    counted = 0
    while not warming.over:
        counted += 1
        warming.add(durations[counted - 1], counted * 0.01)
    assert warming.report() == Warmup(counted, counted * 0.01, steady=True)
    assert 10 <= counted <= 16


def test_the_warm_up_ends_after_its_time_and_says_that_nothing_was_steady() -> None:
    warming = Warming(None)
    seconds, duration = 0.0, 1.0
    while not warming.over:
        duration *= 0.8
        seconds += 1.0
        warming.add(duration, seconds)
    assert seconds == MOST_S
    assert warming.report() == Warmup(10, MOST_S, steady=False)


@pytest.mark.parametrize("frames", [0, 3])
def test_a_given_number_of_frames_is_kept(frames: int) -> None:
    warming = Warming(frames)
    for _ in range(frames):
        assert not warming.over
        warming.add(1.0, 1000.0)
    assert warming.over
    assert warming.report().steady is None

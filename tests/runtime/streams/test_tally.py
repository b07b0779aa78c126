from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.streams.tally import SECONDS, Rate


def test_a_rate_is_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.fps(0.0) == 0.0
    for time_s in np.arange(0.0, 30.0, 0.1):
        rate.add(float(time_s))
    assert rate.fps(30.0) == pytest.approx(10, rel=0.01)
    assert rate.fps(35.0) == pytest.approx(5, rel=0.02)
    assert rate.fps(30.0 + SECONDS + 2) == 0.0


def test_a_rate_is_right_from_the_beginning() -> None:
    rate = Rate()
    for count in range(11):
        rate.add(100.5 + 0.04 * count)
    assert rate.fps(100.5 + 0.4) == pytest.approx(25, rel=0.01)
    for count in range(11, 60):
        rate.add(100.5 + 0.04 * count)
    assert rate.fps(100.5 + 0.04 * 59) == pytest.approx(25, rel=0.1)


def test_seconds_without_a_result_count() -> None:
    rate = Rate()
    for time_s in (0.0, 0.5, 7.5):
        rate.add(time_s)
    assert rate.fps(8.0) == pytest.approx(3 / 8)

"""The rate is that of the work, without what comes before it; the end follows from it."""

from __future__ import annotations

import time

import pytest

from edgeseg.batch.forecast import Forecast, in_words


def test_the_rate_leaves_out_what_comes_before_the_first_piece() -> None:
    now = [0.0]
    forecast = Forecast(100, clock=lambda: now[0])
    assert forecast.left_s is None
    assert forecast.told(0.0) == "the rate is not known yet"
    now[0] = 30.0  # engines were opened meanwhile
    forecast.advance(10)
    assert forecast.frames_per_s == pytest.approx(10 / 30)
    now[0] = 40.0
    forecast.advance(20)
    assert forecast.frames_per_s == pytest.approx(2)
    assert forecast.left_s == pytest.approx(35)
    ends = time.strftime("%H:%M", time.localtime(35))
    assert forecast.told(0.0) == f"2.0 a second, 35 s left, ends about {ends}"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.7, "1 min 0 s"), (125, "2 min 5 s"), (7260, "2 h 1 min")]
)
def test_times_are_told_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words

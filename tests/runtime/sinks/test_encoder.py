from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.encoder import TICKS, FrameClock, VideoTiming, fit_picture

PIXEL = np.zeros((1, 1, 3), np.uint8)


@given(*[st.integers(1, 40)] * 2, *[st.integers(1, 20)] * 2)
def test_fitting_gives_the_size_and_keeps_the_aspect_ratio(
    height: int, width: int, high: int, wide: int
) -> None:
    fitted = fit_picture(np.full((height, width, 3), 255, np.uint8), (2 * wide, 2 * high))
    assert fitted.shape == (2 * high, 2 * wide, 3)
    assert fitted.any(axis=(1, 2)).all() or fitted.any(axis=(0, 2)).all()  # it reaches the border one way


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=30), st.booleans())
def test_time_never_stands_still_whatever_a_sources_clock_does(times: list[float], live: bool) -> None:
    clock = FrameClock(VideoTiming(live=live))
    ticks = [clock.ticks(Frame(PIXEL, index, time, media_s=time)) for index, time in enumerate(times)]
    assert ticks[0] == 0
    assert all(one < other for one, other in pairwise(ticks))


def test_frames_without_a_time_stand_at_the_sources_rate() -> None:
    clock = FrameClock(VideoTiming(fps=30.0))
    assert [clock.ticks(Frame(PIXEL, index, 0.0)) for index in (4, 5, 7)] == [0, TICKS // 30, TICKS // 10]

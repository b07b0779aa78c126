from __future__ import annotations

import numpy as np

from edgeseg.runtime.streams.stillness import Stillness

NOISE = np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8)


def test_the_same_picture_is_still_since_it_came_first() -> None:
    stillness = Stillness()
    assert [stillness.seen_s(NOISE, now_s) for now_s in (10.0, 10.5, 20.0)] == [0.0, 0.0, 9.5]


def test_one_pixel_that_differs_is_movement_within_a_second() -> None:
    stillness = Stillness()
    for now_s in (0.0, 1.0, 2.0, 3.0):
        before_s = stillness.seen_s(NOISE, now_s)
    other = NOISE.copy()
    other[33, 41, 1] ^= 1  # not in the sample
    after_s = [stillness.seen_s(other, now_s) for now_s in (3.4, 4.0, 5.0)]
    assert before_s == 2.0  # the checksum was first taken at the second frame
    assert after_s == [2.4, 0.0, 1.0]


def test_a_clip_that_repeats_is_not_still() -> None:
    stillness = Stillness()
    pictures = [np.full((32, 32, 3), grey, np.uint8) for grey in (0, 80, 160, 240)]
    assert {stillness.seen_s(pictures[i % 4], i * 0.25) for i in range(40)} == {0.0}


def test_a_picture_of_another_size_is_another() -> None:
    stillness = Stillness()
    stillness.seen_s(np.zeros((32, 32, 3), np.uint8), 0.0)
    assert stillness.seen_s(np.zeros((64, 32, 3), np.uint8), 5.0) == 0.0

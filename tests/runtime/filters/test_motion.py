"""Motion is told from noise, and marked where it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeseg.runtime.filters.motion import CELL_PX, REACH_CELLS, Motion

SIZE_HW = (96, 128)


def _ground() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC)


def _noisy(image: np.ndarray, rng: np.random.Generator, deviation: float) -> np.ndarray:
    return np.clip(image + rng.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)


def test_everything_is_new_in_the_first_frame_and_after_a_change_of_size() -> None:
    motion = Motion()
    image = _ground()
    for shape in (image, image[:50, :71]):
        marks = motion(shape)
        assert marks.shape == (-(-shape.shape[0] // CELL_PX), -(-shape.shape[1] // CELL_PX))
        assert (marks == 255).all()
        assert not motion(shape).any()


@pytest.mark.parametrize("deviation", [0.0, 2.0, 5.0, 7.0])
def test_noise_is_not_motion(deviation: float) -> None:
    motion, rng = Motion(), np.random.default_rng(1)
    marks = [motion(_noisy(_ground(), rng, deviation)) for _ in range(12)]
    assert np.mean(marks[2:]) / 255 < 0.01


@pytest.mark.parametrize("deviation", [0.0, 2.0, 7.0])
def test_what_moves_is_marked_where_it_was_and_is_and_nowhere_else(deviation: float) -> None:
    motion, rng = Motion(), np.random.default_rng(1)
    marks = np.zeros(0)
    for index in range(10):
        image = _ground()
        cv2.circle(image, (30 + 3 * index, 48), 10, (255, 255, 255), -1)
        marks = motion(_noisy(image, rng, deviation))
    moved = cv2.resize(marks, SIZE_HW[::-1], interpolation=cv2.INTER_NEAREST) > 0
    assert moved[48, 57 + 10]  # its new front
    assert moved[48, 54 - 10]  # what it uncovered
    around = CELL_PX * (REACH_CELLS + 1)
    far = np.ones(SIZE_HW, bool)
    far[48 - 10 - around : 48 + 11 + around, 54 - 10 - around : 57 + 11 + around] = False
    assert moved[far].mean() < 0.05


@pytest.mark.parametrize("deviation", [0.0, 4.0])
def test_a_picture_that_moves_as_a_whole_does_not_pass_for_noise(deviation: float) -> None:
    """The median cell moves then, from the second frame on."""
    rng = np.random.default_rng(2)
    wide = cv2.GaussianBlur(rng.integers(0, 255, (SIZE_HW[0], 600, 3), np.uint8), (0, 0), 3)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    motion = Motion()
    shares = [np.mean(motion(_noisy(wide[:, 4 * i : 4 * i + 128], rng, deviation))) / 255 for i in range(60)]
    assert min(shares) > 0.9


def test_a_key_frame_is_not_motion() -> None:
    """All blocks of a compressed video change a little with each key frame, and none in between."""
    motion, rng = Motion(), np.random.default_rng(3)
    shares = []
    for _ in range(5):
        blocks = rng.normal(0, 1.5, (SIZE_HW[0] // 8, SIZE_HW[1] // 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
        key = np.clip(_ground() + blocks, 0, 255).astype(np.uint8)
        shares += [np.mean(motion(key)) / 255 for _ in range(4)]
    assert max(shares[1:]) < 0.1

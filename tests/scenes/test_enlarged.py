from __future__ import annotations

import hashlib

import numpy as np

from edgeseg.scenes.enlarged import NOISE_LEVELS, enlarged
from edgeseg.scenes.pictures import picture


def test_a_frame_is_its_picture_and_noise() -> None:
    small = np.full((4, 6, 3), 100, np.uint8)
    small[2:, 3:] = 200
    frame = enlarged(small, (40, 90), 1).astype(int)
    assert abs(frame[:20] - 100).max() <= NOISE_LEVELS // 2
    assert abs(frame[20:, 45:] - 200).max() <= NOISE_LEVELS // 2
    assert abs(frame[:20].mean() - 100) < 1


def test_neighbours_and_seeds_differ() -> None:
    small = np.full((4, 6, 3), 100, np.uint8)
    frame = enlarged(small, (80, 120), 0)
    assert (frame[1:] != frame[:-1]).mean() > 0.9
    assert (frame != enlarged(small, (80, 120), 1)).mean() > 0.9


def test_a_frame_has_the_same_bytes_for_ever() -> None:
    frame = enlarged(picture(3, (24, 32)), (300, 96), 3)  # more rows than are made at a time
    assert hashlib.sha256(frame.tobytes()).hexdigest()[:16] == "215f11bb688504fc"

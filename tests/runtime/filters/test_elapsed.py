"""Time between frames is that in front of the camera, by the best clock there is."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.filters.elapsed import Elapsed
from edgeseg.runtime.frame import Frame

IMAGE = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        (Frame(IMAGE, 0, 50.0, media_s=1.0), Frame(IMAGE, 1, 50.001, media_s=1.04), 0.04),
        (Frame(IMAGE, 0, 50.0), Frame(IMAGE, 3, 50.5), 0.5),  # a camera without a clock
        (Frame(IMAGE, 9, 50.0, media_s=900.0), Frame(IMAGE, 10, 57.0, media_s=0.0), 7.0),  # it began anew
        (Frame(IMAGE, 0, 50.0, media_s=1.0), Frame(IMAGE, 1, 50.25, media_s=1.0), 0.25),  # it stands still
        (Frame(IMAGE, 0, 50.0, "0.png"), Frame(IMAGE, 5, 50.001, "5.png"), 0.2),  # a folder, 25 a second
        (Frame(IMAGE, 0, 50.0), Frame(IMAGE, 1, 49.0), 0.0),
    ],
)
def test_the_best_clock_counts(first: Frame, second: Frame, seconds: float) -> None:
    elapsed = Elapsed()
    assert elapsed(first) == 0
    assert elapsed(second) == pytest.approx(seconds)
    assert elapsed(second) == 0


def test_no_picture_is_held() -> None:
    elapsed = Elapsed()
    elapsed(Frame(IMAGE, 0, 0.0))
    assert elapsed._before is not None
    assert elapsed._before.image.size == 0

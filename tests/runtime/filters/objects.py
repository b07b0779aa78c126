"""Results of a few objects, frames, and polygons, for the tests of filters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from edgeseg.frames.results import InstanceResult, MaskCrop
from edgeseg.runtime.frame import Frame

FRAME_HW = (60, 80)

Box = tuple[float, float, float, float]


def frame(index: int, *, fps: float = 10.0, image: np.ndarray | None = None) -> Frame:
    """Frame number `index` of a recording."""
    image = np.zeros((*FRAME_HW, 3), np.uint8) if image is None else image
    return Frame(image, index, 100.0 + index / 1000, media_s=index / fps)


def boxes_full(
    boxes: Sequence[Box],
    *,
    scores: Sequence[float] | None = None,
    class_ids: Sequence[int] | None = None,
    frame_hw: tuple[int, int] = FRAME_HW,
) -> InstanceResult:
    """Objects that fill their boxes of whole pixels within the frame."""
    count = len(boxes)
    return InstanceResult(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores or [0.9] * count, np.float32),
        np.array(class_ids or [1] * count, np.int64),
        frame_hw,
        tuple(
            MaskCrop(int(x1), int(y1), np.ones((int(y2 - y1), int(x2 - x1)), bool))
            for x1, y1, x2, y2 in boxes
        ),
    )


@st.composite
def polygons(draw: st.DrawFn) -> tuple[tuple[float, float], ...]:
    """Three to six corners within the frame."""
    side = st.floats(0, 1)
    return tuple(draw(st.lists(st.tuples(side, side), min_size=3, max_size=6)))

"""Overlaps of boxes and of masks within them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.frames.results import MaskCrop
from edgeseg.runtime.filters.overlap import box_iou, mask_iou

NOWHERE = np.zeros((1, 2), np.intp)
PAIR = np.ones((1, 1), np.bool_)


def test_boxes_by_hand() -> None:
    one = np.array([[0, 0, 4, 4], [0, 0, 0, 0]], np.float32)
    other = np.array([[2, 0, 6, 4], [4, 0, 8, 4], [0, 0, 4, 4]], np.float32)
    assert box_iou(one, other).tolist() == [[8 / 24, 0, 1], [0, 0, 0]]
    assert box_iou(one[:0], other).shape == (0, 3)


def test_masks_by_hand() -> None:
    """An L of three pixels in columns and rows 5 and 6, and a square of four in 6 and 7."""
    ell = MaskCrop(5, 5, np.array([[1, 0], [1, 1]], np.bool_))
    square = MaskCrop(6, 6, np.ones((2, 2), np.bool_))
    assert mask_iou([ell], NOWHERE, [square], PAIR).tolist() == [[1 / 6]]
    assert mask_iou([ell], np.array([[1, 0]]), [square], PAIR).tolist() == [[2 / 5]]
    assert mask_iou([ell], np.array([[1, 1]]), [square], PAIR).tolist() == [[3 / 4]]
    assert mask_iou([ell], np.array([[9, 0]]), [square], PAIR).tolist() == [[0]]
    assert mask_iou([ell], NOWHERE, [ell], PAIR).tolist() == [[1]]


def test_pairs_that_nobody_asks_for_are_not_looked_at() -> None:
    one = MaskCrop(0, 0, np.ones((2, 2), np.bool_))
    found = mask_iou([one], NOWHERE, [one, one], np.array([[False, True]]))
    assert found.tolist() == [[0, 1]]


@st.composite
def crops(draw: st.DrawFn) -> MaskCrop:
    height, width = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits, np.bool_).reshape(height, width)
    return MaskCrop(draw(st.integers(0, 8)), draw(st.integers(0, 8)), mask)


@given(crops(), crops(), st.integers(-7, 7), st.integers(-7, 7))
def test_crops_overlap_as_whole_frames_do(one: MaskCrop, other: MaskCrop, dx: int, dy: int) -> None:
    frames = np.zeros((2, 40, 40), np.bool_)
    for frame, crop, x, y in ((frames[0], one, dx, dy), (frames[1], other, 0, 0)):
        height, width = crop.mask.shape
        frame[10 + crop.top + y :, 10 + crop.left + x :][:height, :width] = crop.mask
    shared, union = (frames[0] & frames[1]).sum(), (frames[0] | frames[1]).sum()
    found = mask_iou([one], np.array([[dx, dy]]), [other], PAIR)[0, 0]
    assert found == shared / max(union, 1)

"""Tell how much objects of two frames overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import MaskCrop


def box_iou(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of all pairs of boxes (A, 4) and (B, 4) xyxy, (A, B) in 0..1."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    union = _areas(one)[:, None] + _areas(other)[None] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float64).tiny), np.float64)


def mask_iou(
    one: Sequence[MaskCrop],
    shifts: NDArray[np.intp],
    other: Sequence[MaskCrop],
    pairs: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Intersection over union of pairs of masks, of which the first were moved.

    Args:
        one: A masks.
        shifts: (A, 2) columns and rows by which each is moved.
        other: B masks.
        pairs: (A, B) those that are looked at.

    Returns:
        (A, B) in 0..1; 0 where a pair is not looked at.
    """
    overlap = np.zeros(pairs.shape)
    areas = [np.count_nonzero(crop.mask) for crop in one], [np.count_nonzero(crop.mask) for crop in other]
    for a, b in np.argwhere(pairs):
        shared = _shared(one[a], shifts[a], other[b])
        overlap[a, b] = shared / max(areas[0][a] + areas[1][b] - shared, 1)
    return overlap


def _shared(one: MaskCrop, shift: NDArray[np.intp], other: MaskCrop) -> int:
    """Count the pixels that two masks share once the first is moved."""
    dx, dy = other.left - one.left - int(shift[0]), other.top - one.top - int(shift[1])
    height, width = other.mask.shape
    here = one.mask[max(dy, 0) : max(height + dy, 0), max(dx, 0) : max(width + dx, 0)]
    there = other.mask[max(-dy, 0) :, max(-dx, 0) :][: here.shape[0], : here.shape[1]]
    here = here[: there.shape[0], : there.shape[1]]
    return int(np.count_nonzero(here & there))


def _areas(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))

"""Tell which track each object of a frame goes on with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.runtime.filters.overlap import box_iou, mask_iou
from edgeseg.runtime.results import InstanceResult, MaskCrop

NONE = -1  # no track


def overlaps(
    boxes: NDArray[np.float64],
    class_ids: NDArray[np.int64],
    crops: Sequence[MaskCrop],
    shifts: NDArray[np.intp],
    found: InstanceResult,
) -> NDArray[np.float64]:
    """Tell how much every track's prediction overlaps every object of its class.

    That is the IoU of their masks, the track's moved to where it is predicted; of their boxes where a mask is
    empty.

    Args:
        boxes: (T, 4) xyxy pixels as predicted.
        class_ids: (T,).
        crops: T masks as last seen.
        shifts: (T, 2) columns and rows to where they are predicted.
        found: D objects.

    Returns:
        (T, D) in 0..1.
    """
    by_box = np.where(class_ids[:, None] == found.class_ids, box_iou(boxes, found.boxes), 0.0)
    by_mask = mask_iou(crops, shifts, found.crops(), by_box > 0)
    empty = np.logical_or.outer(_empty(crops), _empty(found.crops()))
    return np.where(empty, by_box, by_mask)


def match(
    overlap: NDArray[np.float64], stages: Sequence[tuple[NDArray[np.bool_], float]]
) -> NDArray[np.intp]:
    """Give each object a track, at most one each, the pairs that overlap most first.

    Taking the best pair first instead of the best sum of all loses nothing here, as `benchmarks.tracking`
    shows: masks of one frame hardly overlap.

    Args:
        overlap: (T, D) of tracks and objects.
        stages: one after the other, which of the objects (D,) are looked at, and the least overlap.

    Returns:
        (D,) track of each object, NONE for none.
    """
    tracks = np.full(overlap.shape[1], NONE, np.intp)
    free = np.ones(len(overlap), np.bool_)
    for which, least in stages:
        rows, columns = np.nonzero(free[:, None] & which & (overlap >= least))
        for best in np.argsort(-overlap[rows, columns], kind="stable"):
            if free[rows[best]] and tracks[columns[best]] == NONE:
                tracks[columns[best]] = rows[best]
                free[rows[best]] = False
    return tracks


def _empty(crops: Sequence[MaskCrop]) -> NDArray[np.bool_]:
    return np.array([not crop.mask.any() for crop in crops], np.bool_)

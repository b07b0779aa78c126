"""Tell which track each object of a frame goes on with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import InstanceResult, MaskCrop
from edgeseg.runtime.filters.overlap import box_iou, mask_iou

NONE = -1  # no track
BUFFER = 0.5  # of a box's side, by which the box grows on each side
BOX_SHARE = 0.3  # how much boxes count beside masks


def similarity(
    boxes: NDArray[np.float64],
    class_ids: NDArray[np.int64],
    crops: Sequence[MaskCrop],
    shifts: NDArray[np.intp],
    found: InstanceResult,
) -> NDArray[np.float64]:
    """Tell how well every track's prediction fits every object of its class.

    That is the IoU of their masks, the track's moved to where it is predicted, and BOX_SHARE of the IoU of
    their boxes, grown by BUFFER on each side (Yang et al., "Hard to track objects with irregular motions and
    similar appearances? Make it easier by buffering the matching space", 2023): objects that turned, or
    missed their prediction by less than themselves, still meet.

    Args:
        boxes: (T, 4) xyxy pixels as predicted.
        class_ids: (T,).
        crops: T masks as last seen.
        shifts: (T, 2) columns and rows to where they are predicted.
        found: D objects.

    Returns:
        (T, D) from 0, for nothing in common or another class, to 1 + BOX_SHARE.
    """
    same = class_ids[:, None] == found.class_ids
    masks = mask_iou(crops, shifts, found.crops(), same & (box_iou(boxes, found.boxes) > 0))
    return np.asarray(masks + same * BOX_SHARE * box_iou(_grown(boxes), _grown(found.boxes)))


def match(fit: NDArray[np.float64], stages: Sequence[tuple[NDArray[np.bool_], float]]) -> NDArray[np.intp]:
    """Give each object a track, at most one each, the pairs that fit best first.

    Taking the best pair first instead of the best sum of all loses nothing here, as `benchmarks.tracking`
    shows: masks of one frame hardly overlap.

    Args:
        fit: (T, D) of tracks and objects.
        stages: one after the other, which of the objects (D,) are looked at, and the least fit.

    Returns:
        (D,) track of each object, NONE for none.
    """
    tracks = np.full(fit.shape[1], NONE, np.intp)
    free = np.ones(len(fit), np.bool_)
    for which, least in stages:
        rows, columns = np.nonzero(free[:, None] & which & (fit >= least))
        for best in np.argsort(-fit[rows, columns], kind="stable"):
            if free[rows[best]] and tracks[columns[best]] == NONE:
                tracks[columns[best]] = rows[best]
                free[rows[best]] = False
    return tracks


def _grown(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    margin = BUFFER * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate((boxes[:, :2] - margin, boxes[:, 2:] + margin), axis=1)

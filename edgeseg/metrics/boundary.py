"""Measure how well the boundaries of the classes lie against the truth.

A class's boundary F-score is that of Csurka et al., "What is a good evaluation measure for semantic
segmentation?", 2013: of the predicted boundary pixels the share that lies within a tolerance of the true
boundary (precision), of the true ones the share that lies so near the predicted one (recall), and the
harmonic mean of the two. Counts are added up over images; the mean is over the classes that the truth shows,
as for mIoU. Pixels of 255 in the truth are not counted, and make no boundary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2
from edgeseg.spec import VOID_LABEL

TOLERANCE_PX = 2.0  # Euclidean


def boundary_counts(
    truth: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    num_classes: int,
    *,
    tolerance_px: float = TOLERANCE_PX,
) -> NDArray[np.int64]:
    """Count boundary pixels of every class in one image; counts of several images may be added.

    Args:
        truth: (H, W) class ids below `num_classes`, or 255 where the class is not known.
        labels: (H, W) predicted class ids; what is no class counts for none.
        num_classes: C, background included.
        tolerance_px: Euclidean distance in pixels that still counts as near.

    Returns:
        (C, 2, 2) pixels: of the predicted and of the true boundary, those near the other's and all of them.
    """
    counts = np.zeros((num_classes, 2, 2), np.int64)
    known = truth != VOID_LABEL
    for class_id in np.union1d(truth[known], labels[known]):
        if class_id >= num_classes:
            continue
        edges = [_boundary(labels == class_id, known), _boundary(truth == class_id, known)]
        for side, other in ((0, 1), (1, 0)):
            near = _distance(edges[other])[edges[side]] <= tolerance_px
            counts[class_id, side] = np.count_nonzero(near), len(near)
    return counts


def mean_boundary_f(counts: NDArray[np.int64], true_pixels: NDArray[np.int64]) -> float:
    """Mean of the classes' F-scores over those that the truth shows, 0..1.

    A class without a boundary on either side (one that fills its images) is right: 1.

    Args:
        counts: (C, 2, 2) of all images together, see `boundary_counts`.
        true_pixels: (C,) pixels of each class in the truth; at least one is not 0.
    """
    return float(np.nanmean(class_boundary_f(counts, true_pixels)))


def class_boundary_f(counts: NDArray[np.int64], true_pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """F-score of every class, (..., C) in 0..1; NaN where the truth does not show the class.

    Args:
        counts: (..., C, 2, 2), see `boundary_counts`.
        true_pixels: (..., C) pixels of each class in the truth.
    """
    near, length = np.moveaxis(counts, -1, 0)  # (..., C, 2) each
    share = near / np.maximum(length, 1)
    share[length.sum(axis=-1) == 0] = 1
    total = share.sum(axis=-1)
    f_score = 2 * share.prod(axis=-1) / np.maximum(total, np.finfo(float).tiny)
    return np.where(true_pixels > 0, f_score, np.nan)


def _boundary(inside: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark pixels of a mask with a known 4-neighbour outside it; the image's border is no boundary."""
    edge = np.zeros_like(inside)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        both = known[one] & known[other]
        edge[one] |= inside[one] & ~inside[other] & both
        edge[other] |= inside[other] & ~inside[one] & both
    return edge


def _distance(edge: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give every pixel's distance to the nearest marked one; infinity where none is marked."""
    if not edge.any():
        return np.full(edge.shape, np.inf, np.float32)
    away = (~edge).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)

"""Turn label maps and the truth into figures: mean intersection over union, and how well boundaries lie."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError
from edgeseg.runtime.results import VOID_LABEL

TOLERANCE_PX = 2
LEAST_CLASS_PIXELS = 100  # of the truth in all images; rarer classes hinge on single pixels


class Scores(NamedTuple):
    """`miou` and `boundary_f` in 0..1, means over the classes that the truth has."""

    miou: float
    boundary_f: float


class ScoreSheet:
    """Counts over several images.

    A class's boundary F-score is that of Csurka et al. 2013: of the predicted boundary pixels the share that
    lies within `tolerance_px` of the true boundary (precision), of the true ones the share that lies so near
    the predicted one (recall), and the harmonic mean of the two. Counts are added up over images. Pixels of
    255 in the truth are not counted, and make no boundary.

    Args:
        classes: C.
        tolerance_px: Euclidean distance in pixels.
    """

    def __init__(self, classes: int, *, tolerance_px: float = TOLERANCE_PX) -> None:
        self._classes = classes
        self._tolerance_px = tolerance_px
        self._confusion = np.zeros((classes, classes), np.int64)
        self._near = np.zeros((classes, 2), np.int64)  # predicted, true boundary pixels near the other's
        self._length = np.zeros((classes, 2), np.int64)

    def add(self, truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        """Count one image.

        Raises:
            ShapeError: if the maps differ in shape, or a true label is neither below C nor 255.
        """
        if truth.shape != labels.shape:
            raise ShapeError(f"truth is {truth.shape}, labels are {labels.shape}; they must have one shape")
        known = truth != VOID_LABEL
        if np.any(truth[known] >= self._classes):
            raise ShapeError(
                f"true labels must be below {self._classes} or {VOID_LABEL}, got {truth[known].max()}"
            )
        pairs = truth[known].astype(np.intp) * self._classes + labels[known]
        self._confusion += np.bincount(pairs, minlength=self._classes**2).reshape(self._confusion.shape)
        for class_id in np.union1d(np.unique(truth[known]), np.unique(labels[known])):
            edges = [_boundary(labels == class_id, known), _boundary(truth == class_id, known)]
            for side, other in ((0, 1), (1, 0)):
                near = _distance(edges[other])[edges[side]] <= self._tolerance_px
                self._near[class_id, side] += np.count_nonzero(near)
                self._length[class_id, side] += len(near)

    def scores(self) -> Scores:
        """Give the means over classes with enough true pixels (over all that occur, where none has)."""
        truth = self._confusion.sum(axis=1)
        counted = truth >= min(LEAST_CLASS_PIXELS, max(int(truth.max()), 1))
        hit = np.diag(self._confusion)
        union = truth + self._confusion.sum(axis=0) - hit
        iou = hit[counted] / np.maximum(union[counted], 1)
        share = self._near[counted] / np.maximum(self._length[counted], 1)
        share[self._length[counted].sum(axis=1) == 0] = 1  # a class without a boundary on either side
        total = share.sum(axis=1)
        boundary_f = 2 * share.prod(axis=1) / np.maximum(total, np.finfo(float).tiny)
        return Scores(float(iou.mean()) if len(iou) else 1.0, float(boundary_f.mean()) if len(iou) else 1.0)


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

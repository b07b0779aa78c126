"""Compute mIoU and boundary F-score of several images together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.metrics.boundary import TOLERANCE_PX, boundary_counts, mean_boundary_f
from edgeseg.metrics.confusion import confusion_matrix, mean_iou


class Scores(NamedTuple):
    """Means over the classes that the truth shows, 0..1; see `confusion.mean_iou` and `boundary`."""

    miou: float
    boundary_f: float


class ScoreSheet:
    """Counts over several images.

    Args:
        num_classes: C, background included.
        tolerance_px: Euclidean distance in pixels within which boundaries agree.
    """

    def __init__(self, num_classes: int, *, tolerance_px: float = TOLERANCE_PX) -> None:
        self._num_classes = num_classes
        self._tolerance_px = tolerance_px
        self._confusion = np.zeros((num_classes, num_classes + 1), np.int64)
        self._boundary = np.zeros((num_classes, 2, 2), np.int64)

    def add(self, truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        """Count one image.

        Args:
            truth: (H, W) class ids below C, or 255 where the class is not known.
            labels: (H, W) predicted class ids.

        Raises:
            ShapeError: if the maps differ in shape, or a true label is neither below C nor 255.
        """
        self._confusion += confusion_matrix(truth, labels, self._num_classes)
        self._boundary += boundary_counts(truth, labels, self._num_classes, tolerance_px=self._tolerance_px)

    def scores(self) -> Scores:
        """Give the figures of all images together.

        Raises:
            UsageError: if no pixel has a true class.
        """
        miou = mean_iou(self._confusion)
        return Scores(miou, mean_boundary_f(self._boundary, self._confusion.sum(axis=1)))

"""Measure how far the labels and logits of two runs of one network agree.

Neither run is the truth, so none of this is mIoU. Two figures are of labels, over all images:

- label agreement: the share of pixels with the same label;
- class overlap: the mean IoU of the two runs over the classes that the reference shows in at least
  LEAST_CLASS_PIXELS pixels (all that it shows, where none has so many). The IoU of a rarer class hinges on
  single pixels, which rounding alone moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.metrics.confusion import class_iou, confusion_matrix

LEAST_CLASS_PIXELS = 100  # of the reference, in all images


class LabelErrors:
    """Differences over several images.

    Args:
        num_classes: C, how many labels there are.

    Attributes:
        relative_logit_errors: (largest, mean) of each image: |difference| over its largest |reference logit|.
        confusion: (C, C + 1), the reference in the rows, see `confusion_matrix`.
        differing: pixels with another label.
    """

    def __init__(self, num_classes: int) -> None:
        self.relative_logit_errors: list[tuple[float, float]] = []
        self.confusion = np.zeros((num_classes, num_classes + 1), np.int64)
        self.differing = self._pixels = 0

    def add_logits(self, reference: NDArray[np.float32], candidate: NDArray[np.float32]) -> None:
        """Compare two arrays of logits of equal shape; logits that are not finite are infinitely wrong."""
        peak = max(float(np.abs(reference).max()), float(np.finfo(np.float32).tiny))
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(candidate.astype(np.float64) - reference) / peak
        error[~np.isfinite(error)] = np.inf
        self.relative_logit_errors.append((float(error.max()), float(error.mean())))

    def add_labels(self, reference: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> None:
        """Compare two label maps of equal shape; 255, no class, agrees with itself alone.

        Raises:
            ShapeError: if the maps differ in shape, or a reference label is neither below C nor 255.
        """
        self.confusion += confusion_matrix(reference, candidate, len(self.confusion))
        self._pixels += reference.size
        self.differing += int(np.count_nonzero(reference != candidate))

    @property
    def label_agreement(self) -> float:
        """Share of pixels with the same label, 0..1."""
        return (self._pixels - self.differing) / max(self._pixels, 1)

    @property
    def class_overlap(self) -> float:
        """Mean IoU over the classes that the reference shows well, 0..1; 1 where it shows none."""
        sizes = self.confusion.sum(axis=1)
        if not sizes.any():
            return 1.0
        return float(class_iou(self.confusion)[sizes >= min(LEAST_CLASS_PIXELS, int(sizes.max()))].mean())

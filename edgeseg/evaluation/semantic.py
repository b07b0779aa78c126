"""Count the labels of several images, image by image, so that figures of any choice of them follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.evaluation.figures import Figures
from edgeseg.metrics.bootstrap import nan_mean
from edgeseg.metrics.boundary import TOLERANCE_PX, boundary_counts, class_boundary_f
from edgeseg.metrics.confusion import confusion_matrix, iou_of_pixels, pixel_counts


class SemanticSheet:
    """Counts of each image.

    Its figures are `miou`, `mean_boundary_f` and `pixel_accuracy`, the share of right pixels among those that
    are counted; of classes `iou` and `boundary_f`, NaN where the truth does not show them.

    Args:
        num_classes: C, background included.
        tolerance_px: within which boundaries agree, in the images' own pixels.

    Attributes:
        confusion: (C, C + 1) pixels of all images, see `metrics.confusion.confusion_matrix`.
    """

    def __init__(self, num_classes: int, *, tolerance_px: float = TOLERANCE_PX) -> None:
        self.confusion = np.zeros((num_classes, num_classes + 1), np.int64)
        self._tolerance_px = tolerance_px
        self._pixels: list[NDArray[np.int64]] = []  # (3, C) each
        self._boundaries: list[NDArray[np.int64]] = []  # (C, 2, 2) each

    def __len__(self) -> int:
        """Count the images."""
        return len(self._pixels)

    @property
    def true_counts(self) -> NDArray[np.int64]:
        """Pixels of each class in the truth, (C,)."""
        return np.asarray(self.confusion.sum(axis=1))

    def add(self, truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
        """Count one image.

        Args:
            truth: class ids (H, W) below C, or 255 where they are not known.
            labels: (H, W), those found.

        Returns:
            The image's own mIoU; NaN where nothing of it is counted.
        """
        classes = len(self.confusion)
        confusion = confusion_matrix(truth, labels, classes)
        pixels = pixel_counts(confusion)
        self.confusion += confusion
        self._pixels.append(pixels)
        self._boundaries.append(boundary_counts(truth, labels, classes, tolerance_px=self._tolerance_px))
        return float(nan_mean(iou_of_pixels(pixels)))

    def figures(self) -> Figures:
        """Give the figures of all images together."""
        return self.drawn(np.ones((1, len(self)), np.int64)).first()

    def drawn(self, weights: NDArray[np.int64]) -> Figures:
        """Give the figures of draws of the images.

        Args:
            weights: (B, N) how often each image is in each draw; see `metrics.bootstrap.draws`.
        """
        pixels, boundaries = _totals(weights, self._pixels), _totals(weights, self._boundaries)
        iou, boundary_f = iou_of_pixels(pixels), class_boundary_f(boundaries, pixels[:, 1])
        accuracy = pixels[:, 0].sum(axis=1) / np.maximum(pixels[:, 1].sum(axis=1), 1)
        return Figures(
            {"miou": nan_mean(iou), "mean_boundary_f": nan_mean(boundary_f), "pixel_accuracy": accuracy},
            {"iou": iou, "boundary_f": boundary_f},
        )


def _totals(weights: NDArray[np.int64], counts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Add up counts (...) of N images, as often as each is drawn: (B, ...); in float64, which is quicker."""
    each = np.stack(counts)
    totals = weights.astype(np.float64) @ each.reshape(len(each), -1)  # whole numbers, exact below 2^53
    return totals.astype(np.int64).reshape(-1, *each.shape[1:])

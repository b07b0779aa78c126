"""Compute the confusion matrix of label maps and the truth, and of that the mean intersection over union.

The segmentation accuracy of PASCAL VOC (Everingham et al., "The PASCAL Visual Object Classes Challenge: A
Retrospective", 2015) and Cityscapes (Cordts et al., 2016): pixels of all images are counted in one matrix; a
class's IoU is TP / (TP + FP + FN); mIoU is the mean over the classes, background included.

- Pixels whose truth is 255 are not counted.
- The mean is over every class that the truth shows in at least one pixel. A class that the prediction alone
  shows has no IoU of its own (in those benchmarks the truth shows every class): its pixels are misses of
  their true classes.
- 255 in the prediction, or any id that is no class, is wrong: a miss of the true class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, UsageError
from edgeseg.spec import VOID_LABEL


def confusion_matrix(
    truth: NDArray[np.uint8], labels: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """Count pixels by true and predicted class; matrices of several images may be added.

    Args:
        truth: class ids below `num_classes`, or 255 where the class is not known; of any shape.
        labels: predicted class ids, of the same shape; what is no class counts in the last column.
        num_classes: C, background included.

    Returns:
        (C, C + 1) pixels: rows the truth, columns the prediction, the last of them no class.

    Raises:
        ShapeError: if the maps differ in shape, or a true id is neither a class nor 255.
    """
    if truth.shape != labels.shape:
        raise ShapeError(f"truth is {truth.shape}, labels are {labels.shape}; they must have one shape")
    known = truth != VOID_LABEL
    rows = truth[known]
    if np.any(rows >= num_classes):
        raise ShapeError(f"true labels must be below {num_classes} or {VOID_LABEL}, got {rows.max()}")
    columns = num_classes + 1
    pairs = rows.astype(np.intp) * columns + np.minimum(labels[known], num_classes)
    counts = np.bincount(pairs, minlength=num_classes * columns)
    return counts.reshape(num_classes, columns).astype(np.int64)


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of every class, (C,) in 0..1; NaN where the truth does not show the class.

    Args:
        confusion: (C, C + 1), see `confusion_matrix`.
    """
    return iou_of_pixels(pixel_counts(confusion))


def pixel_counts(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count of every class the pixels that are right, true and predicted, (3, C); see `confusion_matrix`."""
    hits = np.diag(confusion)  # TP; the diagonal ends before the last column
    return np.stack([hits, confusion.sum(axis=1), confusion[:, :-1].sum(axis=0)])  # TP, TP + FN, TP + FP


def iou_of_pixels(pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union (..., C) in 0..1 from `pixel_counts` (..., 3, C); NaN where none is true."""
    hits, true_pixels, predicted = np.moveaxis(pixels, -2, 0)
    union = true_pixels + predicted - hits
    return np.where(true_pixels > 0, hits / np.maximum(union, 1), np.nan)


def mean_iou(confusion: NDArray[np.int64]) -> float:
    """Mean of `class_iou` over the classes that the truth shows: mIoU, 0..1.

    Args:
        confusion: (C, C + 1) of all images together, see `confusion_matrix`.

    Raises:
        UsageError: if no pixel has a true class.
    """
    if not confusion.any():
        raise UsageError(
            f"no pixel of the truth has a class (all are {VOID_LABEL}), so mIoU is not defined; "
            "give at least one labelled image"
        )
    return float(np.nanmean(class_iou(confusion)))

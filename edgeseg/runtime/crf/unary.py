"""Turn probabilities, or labels with a confidence, into the logits that a CRF starts from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, UsageError
from edgeseg.spec import MAX_CLASSES, VOID_LABEL

PLANES_NDIM, MAP_NDIM = 3, 2  # (C, h, w), (h, w)
LEAST_PROBABILITY = 1e-6  # what a probability of 0 stands for, so that its logarithm exists


def logits_from_probabilities(probabilities: NDArray[Any]) -> NDArray[np.float32]:
    """Take the logarithm of class probabilities (C, h, w) in 0..1; none counts as less than 1e-6.

    Raises:
        ShapeError: if they are not (C, h, w), or a value lies outside 0..1 or is not a number.
    """
    if probabilities.ndim != PLANES_NDIM:
        raise ShapeError(f"probabilities must be (C, h, w), got {probabilities.shape}")
    if not (np.all(probabilities >= 0) and np.all(probabilities <= 1)):
        raise ShapeError("probabilities must be 0 to 1; logits need no logits_from_probabilities")
    logits: NDArray[np.float32] = np.log(np.maximum(probabilities, LEAST_PROBABILITY, dtype=np.float32))
    return logits


def unary_from_labels(
    labels: NDArray[np.uint8], class_count: int, *, confidence: float | NDArray[Any] = 0.7
) -> NDArray[np.float32]:
    """Turn a label map into logits (C, h, w): a pixel has its label with `confidence`, any other alike.

    Args:
        labels: (h, w) class ids; 255 stands for a pixel about which nothing is known.
        class_count: C, 2 to 255.
        confidence: a probability between 0 and 1 for all pixels, or one for each, (h, w).

    Raises:
        ShapeError: if shapes do not fit or a label is not below C.
        UsageError: if a confidence is not between 0 and 1.
    """
    if labels.ndim != MAP_NDIM or labels.dtype != np.uint8 or not 1 < class_count <= MAX_CLASSES:
        raise ShapeError(
            f"labels must be (h, w) uint8 of 2 to {MAX_CLASSES} classes, "
            f"got {labels.dtype} {labels.shape} of {class_count}"
        )
    known = labels != VOID_LABEL
    if np.any(labels[known] >= class_count):
        raise ShapeError(
            f"labels must be below class_count = {class_count}, or 255; got {labels[known].max()}"
        )
    sure = np.broadcast_to(np.asarray(confidence, np.float32), labels.shape)
    if not (np.all(sure > 0) and np.all(sure < 1)):
        raise UsageError("confidence must lie between 0 and 1")
    others = np.log((1 - sure) / (class_count - 1))
    logits: NDArray[np.float32] = np.repeat(others[None], class_count, axis=0)
    rows, columns = np.nonzero(known)
    logits[labels[known], rows, columns] = np.log(sure[known])
    logits[:, ~known] = -np.log(np.float32(class_count))
    return logits

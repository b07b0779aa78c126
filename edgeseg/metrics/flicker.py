"""Measure how much the labels of a video flicker: change where nothing does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.spec import VOID_LABEL


def flicker_counts(
    truth: tuple[NDArray[np.uint8], NDArray[np.uint8]], labels: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> NDArray[np.int64]:
    """Count pixels of two frames that follow each other; counts of several pairs may be added.

    Args:
        truth: two label maps (H, W); pixels of 255 in either are not counted.
        labels: predicted, likewise.

    Returns:
        (2,): of the pixels whose true label stays, those whose predicted label changes, and all.
    """
    stays = (truth[0] == truth[1]) & (truth[0] != VOID_LABEL)
    changes = np.count_nonzero(labels[0][stays] != labels[1][stays])
    return np.array([changes, np.count_nonzero(stays)], np.int64)


def flicker(counts: NDArray[np.int64]) -> float:
    """Share of pixels that change their label though the truth does not, 0..1; 0 where nothing stays.

    Args:
        counts: (2,) of all pairs together, see `flicker_counts`.
    """
    changes, stays = counts.tolist()
    return float(changes / max(stays, 1))

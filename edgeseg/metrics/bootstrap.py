"""Say how far a figure may be from what other images of the same kind would give: the bootstrap.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: as many images are drawn with replacement,
again and again, and each draw gives a figure; the middle 95 percent of these are the interval. Figures of two
engines are compared on the same draws, so that what makes an image hard for both falls out of the
difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
COVERED = (2.5, 97.5)  # percentiles
FEW_IMAGES = 20  # with fewer, intervals come out too narrow


def draws(images: int, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.int64]:
    """Draw images with replacement: how often each is in each draw, (resamples, images)."""
    shares = np.full(images, 1 / images)
    return np.random.default_rng(seed).multinomial(images, shares, size=resamples)


def interval(figures: NDArray[np.float64]) -> NDArray[Any]:
    """Give the ends of the middle 95 percent of (resamples, ...) figures, (2, ...).

    NaN, of a draw in which a figure is not defined, is left out; an end is NaN where all are.
    """
    ends = np.full((2, *figures.shape[1:]), np.nan)
    defined = np.isfinite(figures).any(axis=0)
    if defined.any():
        ends[:, defined] = np.nanpercentile(figures[:, defined], COVERED, axis=0)
    return ends


def nan_mean(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    defined = np.isfinite(figures)
    count = defined.sum(axis=-1)
    total = np.where(defined, figures, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

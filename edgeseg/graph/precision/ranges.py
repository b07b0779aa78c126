"""Choose the largest magnitude of a tensor that int8 shall represent; beyond it, values saturate."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.precision.calibration import Observed
from edgeseg.spec import CalibrationMethod

LEVELS = 127  # positive values of symmetric int8; -128 is not used
PERCENTILE = 99.99
LEAST_PEAK = 1e-30  # smaller values leave no normal float32 for a scale or the bins of a histogram
BINS = 2048  # of a histogram of magnitudes, as in TensorRT's calibrator
ENTROPY_STEP = 16  # bins between two candidates
MSE_CANDIDATES = np.linspace(0.2, 1.0, 81)  # of the peak


def threshold(seen: Observed, method: CalibrationMethod) -> float:
    """Choose the largest magnitude to represent: above 0, at most the peak.

    A tensor that is 0, or below LEAST_PEAK, gets 1: any scale will do.
    """
    if seen.peak < LEAST_PEAK or not np.isfinite(seen.peak):
        return 1.0
    chosen = _CHOOSE[method](seen.magnitudes(), seen.peak)
    return min(chosen, seen.peak) if chosen > 0 else seen.peak


def percentile(magnitudes: NDArray[np.float32], peak: float) -> float:
    """Cut off the largest 1 in 10,000."""
    return float(np.percentile(magnitudes, PERCENTILE)) if len(magnitudes) else peak


def mean_squared_error(magnitudes: NDArray[np.float32], peak: float) -> float:
    """Balance what rounding and what saturation costs, in the square."""
    counts, edges = np.histogram(magnitudes, BINS, (0.0, peak))
    centres = (edges[1:] + edges[:-1]) / 2
    limits = MSE_CANDIDATES[:, None] * peak
    steps = limits / LEVELS
    rounded = np.minimum(np.rint(centres / steps), LEVELS) * steps  # (candidates, bins)
    errors = ((rounded - centres) ** 2 * counts).sum(axis=1)
    return float(limits[errors.argmin(), 0])


def entropy(magnitudes: NDArray[np.float32], peak: float) -> float:
    """Lose the least information: the least Kullback-Leibler divergence between the histograms.

    Of all magnitudes, the saturated ones in the last bin, and of what is left of them in 128 levels; S.
    Migacz, 8-bit inference with TensorRT, GTC 2017.
    """
    counts, edges = np.histogram(magnitudes, BINS, (0.0, peak))
    counts[0] = counts[
        1
    ]  # zeros after a ReLU are exact in any scale, and so many that nothing else would count
    best, chosen = np.inf, peak
    for used in range(LEVELS + 1, BINS + 1, ENTROPY_STEP):
        divergence = _divergence(counts.astype(np.float64), used)
        if divergence < best:
            best, chosen = divergence, float(edges[used])
    return chosen


def _divergence(counts: NDArray[np.float64], used: int) -> float:
    """Compare the first `used` bins, which take in the rest, with themselves in LEVELS + 1 levels."""
    kept = counts[:used]
    reference = kept.copy()
    reference[-1] += counts[used:].sum()
    level = np.arange(used) * (LEVELS + 1) // used
    occupied = kept > 0
    sums = np.bincount(level, kept, LEVELS + 1)
    sizes = np.bincount(level, occupied, LEVELS + 1)
    coarse = np.where(occupied, (sums / np.maximum(sizes, 1))[level], 0.0)
    p, q = reference / max(reference.sum(), 1.0), coarse / max(coarse.sum(), 1.0)
    shared = (p > 0) & (q > 0)
    missing = float(p[(p > 0) & (q <= 0)].sum())  # no level stands for these: infinitely improbable
    return float((p[shared] * np.log(p[shared] / q[shared])).sum()) + (np.inf if missing > 0 else 0.0)


_CHOOSE: Mapping[CalibrationMethod, Callable[[NDArray[np.float32], float], float]] = {
    "minmax": lambda magnitudes, peak: peak,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mean_squared_error,
}

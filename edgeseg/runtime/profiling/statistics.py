"""Summarise durations as percentiles, with how sure each is and whether it has enough samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99}
COVERAGE = 0.95  # of the intervals
MLPERF_CONFIDENCE = 0.99  # that a percentile is not above what is reported
RESAMPLES = 1000  # of a bootstrap: its 2.5 % ends then vary by about 0.5 %
MOST_DRAWS = 10_000_000  # in all resamples together: a tenth of a second
SEED = 0  # the same samples give the same interval
LONGEST_BLOCK = 0.1  # of the samples, so that a resample is of ten blocks at the least
MIN_INTERVAL_SAMPLES = 5  # fewer say nothing of how they scatter


@dataclass(frozen=True)
class Distribution:
    """Percentiles of a set of durations in milliseconds, by nearest rank, and how far to trust them.

    The p-th percentile is the smallest sample that at least p % of the samples do not exceed; each figure is
    therefore a duration that occurred.

    Attributes:
        max: the longest.
        intervals: of p50, p90 and p99 by their names: the ends of a 95 % bootstrap interval, in milliseconds;
            empty for fewer than MIN_INTERVAL_SAMPLES. A maximum has none: the bootstrap does not hold for
            extremes (Bickel, Freedman 1981).
        enough: of each percentile, whether it has as many samples as `samples_needed` says.
    """

    p50: float
    p90: float
    p99: float
    max: float
    samples: int
    intervals: Mapping[str, tuple[float, float]]
    enough: Mapping[str, bool]


def distribution(durations_ms: Sequence[float]) -> Distribution:
    """Summarise durations, given in the order in which they were measured.

    Raises:
        ValueError: if there are none.
    """
    if not len(durations_ms):
        raise ValueError("no samples to summarise")
    samples_ms = np.asarray(durations_ms, np.float64)
    ordered = np.sort(samples_ms)
    values = {name: float(ordered[rank(len(ordered), percent)]) for name, percent in PERCENTILES.items()}
    enough = {name: len(ordered) >= samples_needed(percent) for name, percent in PERCENTILES.items()}
    return Distribution(
        **values,
        max=float(ordered[-1]),
        samples=len(ordered),
        intervals=_intervals(samples_ms, ordered),
        enough=enough,
    )


def rank(count: int, percent: float) -> int:
    """Give the index of a percentile among `count` sorted samples, by nearest rank."""
    return max(math.ceil(count * percent / 100), 1) - 1


@cache
def samples_needed(percent: int) -> int:
    """Count the samples from which a percentile can be stated, as MLPerf Inference does.

    Its rule of early stopping: so many that, with MLPERF_CONFIDENCE, the percentile is not above the largest
    but one of them. With n samples, at most one is above a value that is exceeded with probability q with
    probability (1 - q)^n + n q (1 - q)^(n - 1), which must be 1 - MLPERF_CONFIDENCE at most: 64 for p90
    (single-stream) and 662 for p99 (multi-stream), as in its rules.
    """
    below = percent / 100
    count = 2
    while below**count + count * (1 - below) * below ** (count - 1) > 1 - MLPERF_CONFIDENCE:
        count += 1
    return count


def resampled(
    samples: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.intp]:
    """Draw the indices of a circular block bootstrap (Politis, Romano 1992).

    Durations that follow each other are alike: a clock falls, a neighbour works. Blocks keep that.

    Args:
        samples: (n,) in the order in which they were measured; or (k, n), of which all rows are drawn alike.

    Returns:
        (resamples, n) indices into the last axis.
    """
    count = samples.shape[-1]
    block = max(block_length(row) for row in np.atleast_2d(samples))
    blocks = math.ceil(count / block)
    starts = np.random.default_rng(seed).integers(0, count, (resamples, blocks, 1))
    indices: NDArray[np.intp] = ((starts + np.arange(block)) % count).reshape(resamples, -1)[:, :count]
    return indices


def block_length(samples: NDArray[np.float64]) -> int:
    """Choose how many samples in a row a bootstrap keeps together.

    Twice the integrated autocorrelation time, summed over lags until pairs of them turn negative (Geyer
    1992), at least the cube root of the number of samples and at most LONGEST_BLOCK of it.
    """
    count = len(samples)
    least: int = math.ceil(count ** (1 / 3))
    centred = samples - samples.mean()
    variance = float(centred @ centred)
    most = max(int(LONGEST_BLOCK * count), 1)
    if variance <= 0 or most <= least:
        return min(least, most)
    spectrum = np.fft.rfft(centred, 2 * count)
    correlation = np.fft.irfft(spectrum * spectrum.conj())[: count - count % 2] / variance
    pairs = correlation.reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    time = 2 * float(pairs[: negative[0] if len(negative) else len(pairs)].sum()) - 1
    return min(max(math.ceil(2 * time), least), most)


def _intervals(samples: NDArray[np.float64], ordered: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    count = len(samples)
    if count < MIN_INTERVAL_SAMPLES:
        return {}
    positions = np.argsort(np.argsort(samples, kind="stable"))  # sample -> its place among the sorted ones
    resamples = max(min(RESAMPLES, MOST_DRAWS // count), 100)
    drawn = np.sort(positions[resampled(samples, resamples=resamples)], axis=1)
    tails = 100 * (1 - COVERAGE) / 2
    intervals = {}
    for name, percent in PERCENTILES.items():
        low, high = np.percentile(
            ordered[drawn[:, rank(count, percent)]], (tails, 100 - tails), method="nearest"
        )
        intervals[name] = (float(low), float(high))
    return intervals

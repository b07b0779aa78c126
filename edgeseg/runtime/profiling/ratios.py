"""Compare how long two engines took: the ratio of their medians, with an interval that noise explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeseg.runtime.profiling.statistics import COVERAGE, MOST_DRAWS, block_length, resampled

RESAMPLES = 4000  # so that the ends of a 99.5 % interval are drawn from ten on each side
LEAST_RESAMPLES = 500
MIN_SAMPLES = 5
SAME_WITHIN = 0.01  # that where a program's data and code happen to lie makes by itself


@dataclass(frozen=True)
class Ratio:
    """Median duration of the second by that of the first: above 1 where the first is faster.

    Attributes:
        low, high: ends of its bootstrap interval.
        coverage: of the interval, 0 to 1.
    """

    value: float
    low: float
    high: float
    coverage: float

    @property
    def is_different(self) -> bool:
        """Whether neither noise nor SAME_WITHIN explains it.

        The same program takes a little longer or less each time it is opened, for all the time that it runs,
        by where it lies in memory (Mytkowicz and others, 2009): no number of samples shows that.
        """
        return self.low > 1 + SAME_WITHIN or self.high < 1 / (1 + SAME_WITHIN)


def paired_ratio(first: Sequence[float], second: Sequence[float], *, coverage: float = COVERAGE) -> Ratio:
    """Compare durations that were measured in turn: the n-th of both under the same circumstances.

    Both are drawn with the same indices of a block bootstrap, so that what hit both alike cancels.

    Args:
        first, second: equally many, at least MIN_SAMPLES.
        coverage: of the interval; for k comparisons at once 1 - (1 - COVERAGE) / k keeps the chance that any
            of them is wrong (Bonferroni).

    Raises:
        ValueError: if there are too few, not equally many, or any is not finite and above 0.
    """
    both = np.array([first, second], np.float64)
    _check(both)
    drawn = resampled(both, resamples=_resamples(both.shape[1]))
    blocks = both.shape[1] / max(map(block_length, both))
    medians = [_medians(each, drawn) for each in both]
    return _ratio(both, medians, coverage, widened=_widening(blocks, coverage))


def unpaired_ratio(first: Sequence[float], second: Sequence[float], *, coverage: float = COVERAGE) -> Ratio:
    """Compare durations of two runs that have nothing to do with each other; otherwise as `paired_ratio`."""
    arrays = [np.asarray(each, np.float64) for each in (first, second)]
    for each in arrays:
        _check(each)
    resamples = _resamples(max(map(len, arrays)))
    medians = [
        _medians(each, resampled(each, resamples=resamples, seed=seed)) for seed, each in enumerate(arrays)
    ]
    blocks = min(len(each) / block_length(each) for each in arrays)
    return _ratio(arrays, medians, coverage, widened=_widening(blocks, coverage))


def _check(samples: NDArray[np.float64]) -> None:
    """Raise ValueError unless there are enough along the last axis, all finite and above 0."""
    count = samples.shape[-1]
    if count < MIN_SAMPLES:
        raise ValueError(f"a comparison takes {MIN_SAMPLES} samples at least, got {count}")
    if not (np.isfinite(samples) & (samples > 0)).all():
        raise ValueError("a comparison takes durations that are finite and above 0")


def _resamples(count: int) -> int:
    return max(min(RESAMPLES, MOST_DRAWS // count), LEAST_RESAMPLES)


def _medians(samples: NDArray[np.float64], drawn: NDArray[np.intp]) -> NDArray[np.float64]:
    medians: NDArray[np.float64] = np.median(samples[drawn], axis=1)
    return medians


def _ratio(
    samples: Sequence[NDArray[np.float64]] | NDArray[np.float64],
    medians: Sequence[NDArray[np.float64]],
    coverage: float,
    *,
    widened: float,
) -> Ratio:
    """Give the ratio, and the percentiles of the drawn ones, `widened` times as far from it."""
    tail = 100 * (1 - coverage) / 2
    value = math.log(np.median(samples[1]) / np.median(samples[0]))
    low, high = np.percentile(np.log(medians[1] / medians[0]), (tail, 100 - tail))
    low, high = (value + widened * (end - value) for end in (min(low, value), max(high, value)))
    return Ratio(math.exp(value), math.exp(low), math.exp(high), coverage)


def _widening(blocks: float, coverage: float) -> float:
    """Say how much wider than the percentiles an interval from so few blocks must be.

    Independent of each other are the blocks, not the samples: their spread is known as that of few numbers,
    so Student's t takes the normal distribution's place, by the expansion of its quantile (Fisher, Cornish
    1960), and the bootstrap's own spread is too small by the root of (blocks - 1) / blocks.
    """
    z = NormalDist().inv_cdf((1 + coverage) / 2)
    freedom = max(blocks - 1, 1.0)
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return t / z * math.sqrt((freedom + 1) / freedom)

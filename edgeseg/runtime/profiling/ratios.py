"""Compare how long two engines took: the ratio of their medians, with an interval that noise explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.runtime.profiling.statistics import COVERAGE, MOST_DRAWS, resampled

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
        ValueError: if there are too few, or not equally many.
    """
    both = np.array([first, second], np.float64)
    _check(both.shape[1])
    drawn = resampled(both, resamples=_resamples(both.shape[1]))
    return _ratio(both[0], both[1], _medians(both[0], drawn), _medians(both[1], drawn), coverage)


def unpaired_ratio(first: Sequence[float], second: Sequence[float], *, coverage: float = COVERAGE) -> Ratio:
    """Compare durations of two runs that have nothing to do with each other; otherwise as `paired_ratio`."""
    arrays = [np.asarray(each, np.float64) for each in (first, second)]
    for each in arrays:
        _check(len(each))
    resamples = _resamples(max(map(len, arrays)))
    medians = [
        _medians(each, resampled(each, resamples=resamples, seed=seed)) for seed, each in enumerate(arrays)
    ]
    return _ratio(arrays[0], arrays[1], medians[0], medians[1], coverage)


def _check(count: int) -> None:
    if count < MIN_SAMPLES:
        raise ValueError(f"a comparison takes {MIN_SAMPLES} samples at least, got {count}")


def _resamples(count: int) -> int:
    return max(min(RESAMPLES, MOST_DRAWS // count), LEAST_RESAMPLES)


def _medians(samples: NDArray[np.float64], drawn: NDArray[np.intp]) -> NDArray[np.float64]:
    medians: NDArray[np.float64] = np.median(samples[drawn], axis=1)
    return medians


def _ratio(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    first_medians: NDArray[np.float64],
    second_medians: NDArray[np.float64],
    coverage: float,
) -> Ratio:
    tail = 100 * (1 - coverage) / 2
    low, high = np.percentile(second_medians / first_medians, (tail, 100 - tail))
    return Ratio(float(np.median(second) / np.median(first)), float(low), float(high), coverage)

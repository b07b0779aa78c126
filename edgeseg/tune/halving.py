"""Drop slow candidates round by round, and none that could still be the fastest: successive halving.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016: all
candidates get a few rounds, the better half twice as many, and so on. Here a candidate of the slower half
goes only where it is slower than the fastest for sure: both were timed in the same rounds, and the interval
of the median of their ratios lies above 1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

FIRST_ROUNDS = 6  # the fewest whose least and largest enclose a median with 95 percent: 1 - 2/2^6
MOST_ROUNDS = 48  # for those that are within noise of each other
LEAST_COVERED = 0.95

Round = Mapping[str, float]
"""Milliseconds of a frame by candidate; those that were dropped before are not in it."""


@dataclass(frozen=True)
class Standing:
    """Where candidates stand after some rounds.

    Attributes:
        alive: those that are timed on, fastest first.
        over: whether no further round would tell more.
    """

    alive: tuple[str, ...]
    over: bool


def standing(rounds: Sequence[Round], names: Sequence[str], accurate: Collection[str]) -> Standing:
    """Say who is still to be timed after rounds, the same whoever asks and however often.

    Args:
        rounds: in the order in which they were run.
        names: of all candidates.
        accurate: those that may win; the others are timed in the first rounds alone.
    """
    alive = tuple(names)
    end = FIRST_ROUNDS
    while len(rounds) >= end:
        alive = survivors(rounds[:end], [name for name in alive if name in accurate])
        if len(alive) <= 1 or end >= MOST_ROUNDS:
            return Standing(alive, True)
        end = min(2 * end, MOST_ROUNDS)
    return Standing(alive, not alive)


def survivors(rounds: Sequence[Round], alive: Sequence[str]) -> tuple[str, ...]:
    """Give the faster half, fastest first, and of the slower one those that could still be the fastest.

    Args:
        rounds: in each of which all of `alive` were timed.
    """
    ranked = sorted(alive, key=lambda name: median_of(rounds, name))
    half = math.ceil(len(ranked) / 2)
    return tuple(
        name for place, name in enumerate(ranked) if place < half or not is_slower(rounds, name, ranked[0])
    )


def is_slower(rounds: Sequence[Round], name: str, than: str) -> bool:
    """Whether a candidate is slower than another for sure, by the rounds that both were timed in."""
    ratios = [one[name] / one[than] for one in rounds if name in one and than in one]
    return interval_of_median(ratios)[0] > 1


def median_of(rounds: Sequence[Round], name: str) -> float:
    """Give the median of a candidate's times, in milliseconds."""
    return statistics.median(one[name] for one in rounds if name in one)


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """Enclose the median that values are drawn from, with 95 percent or more, whatever their distribution.

    The ends are values themselves, as many from below as from above: the number of values below the median is
    binomial. Of fewer than FIRST_ROUNDS nothing can be said: the interval is all numbers.
    """
    ordered, count = sorted(values), len(values)
    outside, left_out = 0.0, -1  # probability of both tails, and how many values each end may leave out
    for below in range(count // 2):
        outside += 2 * math.comb(count, below) / 2**count
        if outside > 1 - LEAST_COVERED:
            break
        left_out = below
    if left_out < 0:
        return -math.inf, math.inf
    return ordered[left_out], ordered[-1 - left_out]

"""Drop slow candidates round by round, and none that could still be the fastest: successive halving.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016: all
candidates get a few rounds, the better half twice as many, and so on. Here a candidate of the slower half
goes only where it is slower than the fastest for sure: both were timed in the same rounds, and the interval
of the median of their ratios lies above 1.

Whoever leads after many looks at noise leads by luck, too, and what disturbed the first rounds dropped the
wrong ones. So what is left meets the plain choices again, which a user gets without a tuning, in a final of
new rounds that decides alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

FIRST_ROUNDS = 6  # the fewest whose least and largest enclose a median with 95 percent: 1 - 2/2^6
MOST_ROUNDS = 48  # for those that are within noise of each other
FINAL_ROUNDS = (24, 48, 96)  # the more the louder the noise
SETTLED = 1.02  # times: none could be faster than the one that is kept by more
HOPELESS = 1.5  # times the fastest: a plain choice that is slower than that for sure is not in the final
LEAST_COVERED = 0.95

Round = Mapping[str, float]
"""Milliseconds of a frame by candidate; those that were dropped before are not in it."""


@dataclass(frozen=True)
class Standing:
    """Where candidates stand after some rounds.

    Attributes:
        alive: those that are timed on, the one to be kept first; see `best_first`.
        over: whether no further round would tell more.
        deciding: the rounds that said so: those of the final, where there was one.
    """

    alive: tuple[str, ...]
    over: bool
    deciding: Sequence[Round]


def standing(
    rounds: Sequence[Round], names: Sequence[str], accurate: Collection[str], plain: Collection[str] = ()
) -> Standing:
    """Say who is still to be timed after rounds, the same whoever asks and however often.

    Args:
        rounds: in the order in which they were run.
        names: of all candidates.
        accurate: those that may win; the others are timed in the first rounds alone.
        plain: those that a user gets without a tuning. Where some were dropped, there is a final.
    """
    alive = tuple(names)
    end = FIRST_ROUNDS
    while len(rounds) >= end:
        alive = survivors(rounds[:end], [name for name in alive if name in accurate])
        if len(alive) <= 1 or end >= MOST_ROUNDS:
            return _final(rounds, end, alive, [name for name in names if name in accurate and name in plain])
        end = min(2 * end, MOST_ROUNDS)
    return Standing(best_first(rounds, alive, plain) if rounds else alive, not alive, rounds)


def _final(rounds: Sequence[Round], start: int, alive: tuple[str, ...], plain: Sequence[str]) -> Standing:
    """Say who is left where what survived until `start` meets plain choices again."""
    dropped = [name for name in plain if name not in alive]
    back = [name for name in dropped if not is_slower(rounds[:start], name, alive[0], times=HOPELESS)]
    if not back:
        return Standing(best_first(rounds, alive, plain), True, rounds)
    finalists = (*alive, *back)
    new = [one for one in rounds[start:] if all(name in one for name in finalists)]
    for end in FINAL_ROUNDS:
        if len(new) < end:
            break
        final = new[:end]
        first, *others = best_first(final, finalists, plain)
        unsettled = any(could_be_faster(final, name, first, times=SETTLED) for name in others)
        if end == FINAL_ROUNDS[-1] or not unsettled:
            close = [name for name in others if not is_slower(final, name, first)]
            return Standing((first, *close), True, final)
    deciding = new if len(new) >= FIRST_ROUNDS else rounds
    return Standing(best_first(deciding, finalists, plain), False, deciding)


def best_first(rounds: Sequence[Round], names: Sequence[str], plain: Collection[str]) -> tuple[str, ...]:
    """Order candidates by their medians, but the fastest plain one comes first unless it is slower for sure.

    Args:
        rounds: that decide; each of `names` was timed in some.
    """
    ranked = sorted(names, key=lambda name: median_of(rounds, name))
    first = next((name for name in ranked if name in plain), None)
    # one of many leads by luck more often: Bonferroni
    covered = 1 - (1 - LEAST_COVERED) / max(1, sum(name not in plain for name in names))
    if first is None or is_slower(rounds, first, ranked[0], covered=covered):
        return tuple(ranked)
    return (first, *(name for name in ranked if name != first))


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


def is_slower(
    rounds: Sequence[Round], name: str, than: str, *, times: float = 1.0, covered: float = LEAST_COVERED
) -> bool:
    """Whether a candidate takes more than so many `times` another's time for sure, by their common rounds."""
    ratios = [one[name] / one[than] for one in rounds if name in one and than in one]
    return interval_of_median(ratios, covered)[0] > times


def could_be_faster(rounds: Sequence[Round], name: str, than: str, *, times: float) -> bool:
    """Whether noise does not exclude that another takes so many `times` a candidate's time, or more."""
    ratios = [one[than] / one[name] for one in rounds if name in one and than in one]
    return interval_of_median(ratios)[1] >= times


def median_of(rounds: Sequence[Round], name: str) -> float:
    """Give the median of a candidate's times, in milliseconds."""
    return statistics.median(one[name] for one in rounds if name in one)


def interval_of_median(values: Sequence[float], covered: float = LEAST_COVERED) -> tuple[float, float]:
    """Enclose the median that values are drawn from, as often or more, whatever their distribution.

    The ends are values themselves, as many from below as from above: the number of values below the median is
    binomial. Of few values (with 95 percent, of fewer than FIRST_ROUNDS) nothing can be said: the interval is
    all numbers.
    """
    ordered, count = sorted(values), len(values)
    outside, left_out = 0.0, -1  # probability of both tails, and how many values each end may leave out
    for below in range(count // 2):
        outside += 2 * math.comb(count, below) / 2**count
        if outside > 1 - covered:
            break
        left_out = below
    if left_out < 0:
        return -math.inf, math.inf
    return ordered[left_out], ordered[-1 - left_out]

"""Give candidates that were timed in different rounds latencies that can be compared.

A machine slows down and recovers while engines are timed, and those that are slow for sure are timed in few
rounds only: medians of all times would not stand in the order that the rounds tell. So the latency of the
candidate that is kept is its median in the rounds that decided, and that of another is as many times longer
as it took in the rounds in which both were timed.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from edgeseg.tune.halving import FIRST_ROUNDS, Round, interval_of_median, median_of
from edgeseg.tune.timing import Timed


@dataclass(frozen=True)
class Latency:
    """How long a candidate takes for a frame.

    Attributes:
        ms: milliseconds.
        interval_ms: that it lies in, with 95 percent: of the one that is kept, by its times; of another, by
            its ratios to that one. None where too few rounds can say.
        rounds: in which it was timed, in all.
        is_slower: whether it is slower than the one that is kept, for sure.
    """

    ms: float
    interval_ms: tuple[float, float] | None
    rounds: int
    is_slower: bool


def latency_of(timed: Timed, name: str, kept: str) -> Latency:
    """Give the latency of a candidate by the rounds that it shares with the one that is kept."""
    kept_times = [one[kept] for one in _shared(timed, kept)]
    kept_ms = statistics.median(kept_times)
    ratios = [one[name] / one[kept] for one in _shared(timed, kept, name)]
    times = kept_times if name == kept else [kept_ms * ratio for ratio in ratios]
    interval = interval_of_median(times) if len(times) >= FIRST_ROUNDS else None
    return Latency(
        ms=statistics.median(times) if times else median_of(timed.rounds, name),
        interval_ms=interval,
        rounds=sum(name in one for one in timed.rounds),
        is_slower=name != kept and interval is not None and interval[0] > kept_ms,
    )


def _shared(timed: Timed, *names: str) -> Sequence[Round]:
    """Give the rounds in which all were timed: of those that decided where there are such, else of all."""
    deciding = [one for one in timed.deciding if all(name in one for name in names)]
    return deciding or [one for one in timed.rounds if all(name in one for name in names)]

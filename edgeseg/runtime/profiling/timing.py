"""Collect durations of stages, and summarise them as p50, p90 and p99."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

STAGES = ("capture", "preprocess", "infer", "postprocess", "crf", "filter", "render", "sink")
WINDOW = 10_000  # samples kept a stage, so that a camera may run for weeks
MS_PER_S = 1000.0


@dataclass(frozen=True)
class Summary:
    """Percentiles of a set of durations in milliseconds, by nearest rank.

    The p-th percentile is the smallest sample that at least p % of the samples do not exceed. Each figure is
    therefore a duration that occurred; with fewer than 100 samples p99 is the largest.
    """

    p50: float
    p90: float
    p99: float
    samples: int


def summarize(durations_s: Iterable[float]) -> Summary:
    """Summarise durations given in seconds.

    Raises:
        ValueError: if there are none.
    """
    ordered = sorted(durations_s)
    if not ordered:
        raise ValueError("no samples to summarise")
    ranks = (math.ceil(len(ordered) * percent / 100) for percent in (50, 90, 99))
    p50, p90, p99 = (ordered[rank - 1] * MS_PER_S for rank in ranks)
    return Summary(p50, p90, p99, len(ordered))


class Durations:
    """The latest WINDOW durations in seconds, in a buffer that is used again.

    Any thread may use it, without a lock, which a fork could copy while it is held: of two threads that add
    at the same moment to a full buffer, one may take the other's place.
    """

    def __init__(self) -> None:
        self._samples_s = array("d")
        self._next = 0

    def add(self, duration_s: float) -> None:
        """Record one."""
        if len(self._samples_s) < WINDOW:
            self._samples_s.append(duration_s)
            return
        self._samples_s[self._next] = duration_s
        self._next = (self._next + 1) % WINDOW

    def summary(self) -> Summary | None:
        """Summarise them; None if there are none."""
        samples_s = self._samples_s[:]
        return summarize(samples_s) if samples_s else None


class StageTimes:
    """Collect durations by stage; the latest WINDOW of each stage are kept.

    `add` may be called from several threads.
    """

    def __init__(self) -> None:
        self._samples: dict[str, Durations] = {name: Durations() for name in STAGES}

    def add(self, stage: str, duration_s: float) -> None:
        """Record one duration; `stage` is one of STAGES."""
        self._samples[stage].add(duration_s)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Record how long the block takes; a block that raises is not recorded."""
        started_s = time.monotonic()
        yield
        self.add(stage, time.monotonic() - started_s)

    def summaries(self) -> dict[str, Summary]:
        """Summarise every stage that has samples, in the order of STAGES."""
        summaries = {name: samples.summary() for name, samples in self._samples.items()}
        return {name: summary for name, summary in summaries.items() if summary is not None}

"""Time a function by the wall clock: warmed up, some hundred times or some seconds, and summarised."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edgeseg.runtime.profiling.timing import summarize

WARMUP_S = 0.5
SECONDS = 2.5
MOST_RUNS = 500
LEAST_RUNS = 10


def timed(
    run: Callable[[], Any], batch: int, *, seconds: float = SECONDS, warmup_s: float = WARMUP_S
) -> dict[str, float]:
    """Give p50, p90 and p99 in milliseconds, the number of samples, and images a second by p50.

    Args:
        run: begins with a batch in host memory, and ends with the outputs there.
    """
    end = time.perf_counter() + warmup_s
    run()
    while time.perf_counter() < end:
        run()
    durations_s: list[float] = []
    end = time.perf_counter() + seconds
    while len(durations_s) < LEAST_RUNS or (time.perf_counter() < end and len(durations_s) < MOST_RUNS):
        started = time.perf_counter()
        run()
        durations_s.append(time.perf_counter() - started)
    summary = summarize(durations_s)
    figures = {"p50 ms": summary.p50, "p90 ms": summary.p90, "p99 ms": summary.p99}
    return {**figures, "samples": summary.samples, "images/s": 1000 * batch / summary.p50}

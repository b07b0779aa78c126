"""Tell when an engine has warmed up: its durations have become steady."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from edgeseg.runtime.profiling.report import Warmup

WINDOW = 5  # durations of which a median is taken, twice
TOLERANCE = 0.05  # by which the two medians may differ
MOST_S = 10.0  # a clock or a cache that has not settled by then is said so
RULE = (
    f"until the median of {WINDOW} frames is within {100 * TOLERANCE:.0f} % of that of the {WINDOW} before, "
    f"for {MOST_S:.0f} s at most"
)


def is_steady(durations_s: Sequence[float]) -> bool:
    """Whether the latest durations are like those before.

    The medians of the latest WINDOW and of the WINDOW before may differ by TOLERANCE, or by as much as single
    durations do (their median absolute deviation): what scatters that much gets no steadier.
    """
    if len(durations_s) < 2 * WINDOW:
        return False
    before, latest = durations_s[-2 * WINDOW : -WINDOW], durations_s[-WINDOW:]
    middle_s = median(before)
    scatter_s = median([abs(each - median(part)) for part in (before, latest) for each in part])
    return abs(median(latest) - middle_s) <= max(TOLERANCE * middle_s, scatter_s)


class Warming:
    """The warm-up of one loop.

    Args:
        frames: how many; None stands for until they are steady, see RULE.
    """

    def __init__(self, frames: int | None) -> None:
        self._frames = frames
        self._durations_s: list[float] = []
        self._seconds = 0.0

    @property
    def over(self) -> bool:
        """Whether the next frame counts."""
        if self._frames is not None:
            return len(self._durations_s) >= self._frames
        return self._seconds >= MOST_S or is_steady(self._durations_s)

    def add(self, duration_s: float, seconds: float) -> None:
        """Note what a frame took, and how long ago the warm-up began."""
        self._durations_s.append(duration_s)
        self._seconds = seconds

    def report(self) -> Warmup:
        """Say what was done."""
        steady = None if self._frames is not None else is_steady(self._durations_s)
        return Warmup(len(self._durations_s), self._seconds, steady)

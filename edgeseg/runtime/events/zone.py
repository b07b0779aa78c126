"""Turn what is measured in a zone, frame after frame, into the beginnings and ends of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MOST_INTERVAL_S = 1.0
"""What counts at most of the time between two measures. What happened in a longer gap, such as while a camera
was down, nobody knows: it makes no event begin or end."""


@dataclass(frozen=True)
class Change:
    """An event begins or ends.

    Attributes:
        kind: which of the two.
        duration_s: seconds above the threshold that were counted so far, or in all.
    """

    kind: Literal["begin", "end"]
    duration_s: float


class Zone:
    """Begins an event after some time above a threshold, and ends it after as long at or below.

    Args:
        above: the threshold.
        for_s: both times, in seconds; with 0 the first measure decides.

    Attributes:
        active: an event has begun and not ended.
    """

    def __init__(self, *, above: float, for_s: float) -> None:
        self.active = False
        self._above = above
        self._for_s = for_s
        self._last_s: float | None = None
        self._contrary_s: float | None = None  # for how long measures have spoken against the state
        self._lasted_s = 0.0  # counted from the first measure above to the last
        self._since_above_s = 0.0

    def step(self, time_s: float, value: float) -> Change | None:
        """Take a measure.

        Args:
            time_s: of the measure, by a clock that does not run back.
        """
        interval_s = 0.0 if self._last_s is None else min(time_s - self._last_s, MOST_INTERVAL_S)
        self._last_s = time_s
        is_above = value > self._above
        self._since_above_s += interval_s
        if is_above and self.active:
            self._lasted_s += self._since_above_s
        if is_above:
            self._since_above_s = 0.0
        if is_above == self.active:
            self._contrary_s = None
            return None
        self._contrary_s = 0.0 if self._contrary_s is None else self._contrary_s + interval_s
        if self._contrary_s < self._for_s:
            return None
        if is_above:
            self._lasted_s = self._contrary_s
        return self._turn()

    def close(self) -> Change | None:
        """Take no more measures: an event that is active ends."""
        return self._turn() if self.active else None

    def _turn(self) -> Change:
        self.active = not self.active
        self._contrary_s = None
        return Change("begin" if self.active else "end", self._lasted_s)

"""Count a stream's results, and how many a second there were lately."""

from __future__ import annotations

import math

SECONDS = 10  # that a rate is of


class Rate:
    """Results a second over the last SECONDS whole seconds, or since the first. One thread adds."""

    def __init__(self) -> None:
        self._counts = [0] * (SECONDS + 1)  # of the seconds by `time.monotonic()`, modulo their number
        self._second: int | None = None  # the last that something was counted in
        self._first_s: float | None = None

    def add(self, now_s: float) -> None:
        """Count one."""
        if self._first_s is None:
            self._first_s = now_s
        second = math.floor(now_s)
        if self._second is not None:
            for passed in range(self._second + 1, min(second, self._second + len(self._counts)) + 1):
                self._counts[passed % len(self._counts)] = 0
        self._second = second
        self._counts[second % len(self._counts)] += 1

    def fps(self, now_s: float) -> float:
        """Give the rate; that of the first second, which is not over, is of the time that there was."""
        if self._first_s is None or self._second is None:
            return 0.0
        second = math.floor(now_s)
        if second - math.floor(self._first_s) < 1:
            since_s = now_s - self._first_s
            count = self._counts[second % len(self._counts)]
            return (count - 1) / since_s if since_s > 0 and count > 1 else 0.0
        oldest = max(second - SECONDS, math.floor(self._first_s))
        counted = range(oldest, min(second, self._second + 1))
        total = sum(self._counts[each % len(self._counts)] for each in counted)
        return total / (second - max(float(oldest), self._first_s))

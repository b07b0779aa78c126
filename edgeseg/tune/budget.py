"""Keep work within a time that was given for it."""

from __future__ import annotations

import math
import time

from edgeseg.errors import EdgesegError

SECONDS_PER_MINUTE = 60


class TimeIsUpError(EdgesegError):
    """The time that was given is over; raised between steps of work, so that these stay whole."""


class Budget:
    """A time that runs from now on.

    Args:
        seconds: infinity for as long as it takes.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self._started_s = time.monotonic()

    @property
    def used_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._started_s

    @property
    def left_s(self) -> float:
        """Seconds that are left, 0 or more."""
        return max(0.0, self.seconds - self.used_s)

    def share(self, part: float) -> Budget:
        """Give the part, 0..1, of what is left to some of the work."""
        return Budget(self.left_s * part)

    def check(self) -> None:
        """Raise TimeIsUpError once nothing is left."""
        if self.left_s <= 0:
            raise TimeIsUpError(f"the {self} that were given are over")

    def __str__(self) -> str:
        if math.isinf(self.seconds):
            return "unlimited time"
        if self.seconds < SECONDS_PER_MINUTE:
            return f"{self.seconds:.0f} s"
        return f"{self.seconds / SECONDS_PER_MINUTE:.1f} min"

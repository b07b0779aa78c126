"""Decide, after a row of damaged frames of a live source, to go on or to call it dead."""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_BAD_S = 10.0  # without a sound frame


class Patience:
    """How long damaged frames of a live source are borne.

    Args:
        most: bad frames in a row.

    Attributes:
        exhausted: there were so many in a row, or none was sound for MAX_BAD_S.
        complaint: the reason, empty while not exhausted.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.complaint = ""
        self._most = most
        self._clock = clock
        self._bad = 0
        self._bad_since_s = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether it is over."""
        return bool(self.complaint)

    def sound(self) -> None:
        """A frame was sound."""
        self._bad = 0

    def bad(self) -> None:
        """A frame was damaged, or could not be had."""
        now_s = self._clock()
        if not self._bad:
            self._bad_since_s = now_s
        self._bad += 1
        seconds = now_s - self._bad_since_s
        if self._bad >= self._most or seconds >= MAX_BAD_S:
            self.complaint = f"none of the last {self._bad} frames, in {seconds:.1f} s, could be read"

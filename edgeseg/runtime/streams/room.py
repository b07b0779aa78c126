"""Say whether a stream has room for one more frame, between the engine and what comes after it."""

from __future__ import annotations

from edgeseg.runtime.streams.dispatch import Recent

MOST_AHEAD = 2  # frames between being taken and being finished: one in the engine, one waiting


class Room:
    """Frames that were taken and have no result yet. Not thread-safe: its stream holds a lock.

    Attributes:
        ahead: frames that were taken and are not being finished; MOST_AHEAD at most.
    """

    def __init__(self) -> None:
        self.ahead = 0
        self._began_s: float | None = None  # when the one that is being finished began to be
        self._finishing = Recent()

    @property
    def is_full(self) -> bool:
        """Whether no more may be taken."""
        return self.ahead >= MOST_AHEAD

    def begin(self, now_s: float) -> None:
        """One is being finished."""
        self.ahead -= 1
        self._began_s = now_s

    def finish(self, now_s: float) -> None:
        """It is finished, and was handed to the sinks."""
        assert self._began_s is not None
        self._finishing.add(now_s - self._began_s)

    def idle(self) -> None:
        """None is being finished."""
        self._began_s = None

    def is_late(self, now_s: float, outputs_at_s: float) -> bool:
        """Whether outputs that the engine would have then would wait for those before them."""
        if not self.ahead:
            return False
        each_s = self._finishing.usual_s
        if self._began_s is None:
            return now_s + (self.ahead - 1) * each_s > outputs_at_s
        return max(now_s, self._began_s + each_s) + self.ahead * each_s > outputs_at_s

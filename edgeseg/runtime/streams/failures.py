"""Tell a frame that could not be computed now and then from a stream of which nothing can be computed."""

from __future__ import annotations

FAILING_S = 5.0  # a camera's stream of which nothing could be computed for so long, fails
FAILING_FRAMES = 3  # of which there must be so many: one before an outage and one after it are few


class Failures:
    """Frames that could not be computed. Not thread-safe: its stream holds a lock.

    Attributes:
        count: of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._in_a_row = 0
        self._since_s = 0.0

    def add(self, now_s: float) -> bool:
        """Count one; say whether nothing could be computed for too long."""
        self.count += 1
        if not self._in_a_row:
            self._since_s = now_s
        self._in_a_row += 1
        return self._in_a_row >= FAILING_FRAMES and now_s - self._since_s >= FAILING_S

    def end(self) -> None:
        """A frame has a result."""
        self._in_a_row = 0

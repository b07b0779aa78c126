"""Bring a stream's results to the thread that asks for them, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame

Pair = tuple[Frame, Result]


class Handover:
    """Where a stream and the caller of a loop meet: the stream goes on once the caller comes back.

    Args:
        on_asked: called by the thread that asks, before it waits.
    """

    def __init__(self, on_asked: Callable[[], None]) -> None:
        self._on_asked = on_asked
        self._changed = threading.Condition()
        self._pair: Pair | None = None
        self._asks = self._over = False

    @property
    def asks(self) -> bool:
        """Whether somebody waits for a result."""
        return self._asks

    def give(self, frame: Frame, result: Result) -> None:
        """Hand over one result, and wait until the other thread is done with it."""
        with self._changed:
            self._changed.wait_for(lambda: self._asks or self._over)
            if self._over:
                return
            self._pair, self._asks = (frame, result), False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._asks or self._over)

    def end(self) -> None:
        """There will be no more; nobody waits any longer. May be called twice."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Pair]:
        """Give the results until the end."""
        while True:
            with self._changed:
                self._asks = True
                self._changed.notify_all()
            self._on_asked()
            with self._changed:
                self._changed.wait_for(lambda: self._pair is not None or self._over)
                pair, self._pair = self._pair, None
            if pair is None:
                return
            yield pair

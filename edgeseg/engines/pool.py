"""Turn inferences of several threads into turns on lanes: what runs one inference at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from edgeseg.errors import EngineError

CLOSED = "the engine is closed; open it again"
FORKED = (
    "the engine was opened before this process was forked, and its threads are not here; open it in each "
    "process, or start processes by 'spawn'"
)

Lane = TypeVar("Lane")


class Lanes(Generic[Lane]):
    """Lanes that are taken by one thread at a time, until they are closed.

    Args:
        free: frees a lane; called when it is nobody's.
    """

    def __init__(self, free: Callable[[Lane], object] = lambda lane: None) -> None:
        self._free = free
        self._idle: list[Lane] = []
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def add(self, lane: Lane) -> None:
        """Add a lane, which is closed with the others."""
        self._idle.append(lane)
        self._count += 1

    @contextmanager
    def one(self) -> Iterator[Lane]:
        """Wait for a lane and take it. Raises EngineError once they are closed, while waiting too."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._closed)
            if self._closed:
                raise EngineError(CLOSED)
            lane = self._idle.pop()
        try:
            yield lane
        finally:
            with self._changed:
                self._idle.append(lane)
                self._changed.notify_all()

    def close(self) -> None:
        """Send away who waits, wait for who has a lane, and free them all; closing twice is allowed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._idle) == self._count)
            lanes, self._idle, self._count = self._idle, [], 0
        for lane in lanes:
            self._free(lane)

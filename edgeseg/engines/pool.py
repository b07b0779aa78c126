"""Share what runs one inference at a time, such as an execution context, between threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from edgeseg.errors import EngineError

CLOSED = "the engine is closed; open it again"
FORKED = (
    "the engine was opened before this process was forked, and its threads are not here; open it in each "
    "process, or start processes by 'spawn'"
)

Slot = TypeVar("Slot")


class Pool(Generic[Slot]):
    """Slots that are taken by one thread at a time, in the order in which threads ask, until they are closed.

    Args:
        free: frees a slot; called when nobody has it.
    """

    def __init__(self, free: Callable[[Slot], object] = lambda slot: None) -> None:
        self._free = free
        self._idle: list[Slot] = []
        self._waiting: deque[object] = deque()
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many threads wait for a slot."""
        return len(self._waiting)

    def add(self, slot: Slot) -> None:
        """Add a slot, which is freed with the others."""
        self._idle.append(slot)
        self._count += 1

    @contextmanager
    def take(self) -> Iterator[Slot]:
        """Wait for a slot and take it. Raises EngineError once the pool is closed, while waiting too."""
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(lambda: self._closed or (self._idle and self._waiting[0] is turn))
                if self._closed:
                    raise EngineError(CLOSED)
                slot = self._idle.pop()
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()  # it may be the next one's turn, where several slots are idle
        try:
            yield slot
        finally:
            with self._changed:
                self._idle.append(slot)
                self._changed.notify_all()

    def close(self) -> None:
        """Refuse those who wait, wait for those who have a slot, and free all; closing twice is allowed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._idle) == self._count)
            slots, self._idle, self._count = self._idle, [], 0
        for slot in slots:
            self._free(slot)

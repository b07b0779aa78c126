"""Cameras that do what the test says, and how long to wait for what they cause."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import numpy as np

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source

PATIENCE_S = 30.0  # for what must happen; never waited for when it does


def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.002)


class Camera(Source):
    """A live source whose frames come when the test says so; it hangs in between."""

    name, live = "camera", True

    def __init__(self) -> None:
        super().__init__()
        self.skips = 0
        self.closes = 0
        self._frames: queue.Queue[np.ndarray | Exception | None] = queue.Queue()
        self._asked = threading.Semaphore(0)
        self._position = 0

    def send(self, image: np.ndarray | None = None) -> None:
        """Send one frame, once it is asked for."""
        assert self._asked.acquire(timeout=PATIENCE_S)
        self._frames.put(np.zeros((2, 2, 3), np.uint8) if image is None else image)

    def settle(self) -> None:
        """Wait until a frame is asked for that has not been sent."""
        assert self._asked.acquire(timeout=PATIENCE_S)
        self._asked.release()

    def end(self) -> None:
        """Break the connection, as soon as a frame is asked for."""
        self._frames.put(None)

    def fail(self, error: Exception) -> None:
        """Fail as soon as a frame is asked for."""
        self._frames.put(error)

    def read(self) -> Frame | None:
        self._asked.release()
        sent = self._frames.get(timeout=PATIENCE_S)
        if sent is None:
            return None
        if isinstance(sent, Exception):
            raise sent
        self._position += 1
        return Frame(sent, self._position - 1, time.monotonic())

    def skip(self) -> bool:
        self.skips += 1
        return super().skip()

    def close(self) -> None:
        self.closes += 1
        super().close()


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

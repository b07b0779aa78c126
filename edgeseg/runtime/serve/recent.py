"""Keep what a call gave for a while, so that many who ask cost one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """A call whose value is good for some time; any number of threads may ask at once.

    Args:
        ask: gives the value; is called by one thread at a time, for which the others wait.
        good_s: seconds for which its value is given again.
    """

    def __init__(self, ask: Callable[[], Value], good_s: float) -> None:
        self._ask = ask
        self._good_s = good_s
        self._asking = threading.Lock()
        self._kept: tuple[float, Value] | None = None

    def __call__(self) -> Value:
        """Give a value that is no older than that; errors of the call are the caller's."""
        with self._asking:
            if self._kept is None or time.monotonic() - self._kept[0] > self._good_s:
                self._kept = (time.monotonic(), self._ask())
            return self._kept[1]

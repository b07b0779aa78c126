"""Open the sinks of a stream at its first result: only then is it known what its source gives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink


class LateSink(Sink):
    """A sink that is opened when it is first written to, in the thread that writes it.

    Where opening fails, the next result tries again: where results may be lost, that mends a folder that is
    not there yet.

    Args:
        name: its path or address, without passwords.
        open_sink: opens it.
    """

    def __init__(self, name: str, open_sink: Callable[[], Sink]) -> None:
        self.path = Path(name)
        self._name = name
        self._open_sink = open_sink
        self._sink: Sink | None = None

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return self._name if self._sink is None else self._sink.name

    @property
    def needs_overlay(self) -> bool:  # type: ignore[override]
        """Whether `write` wants the overlay; asking opens the sink."""
        return self._opened().needs_overlay

    @property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """One line for each thing that was written otherwise than a user might expect."""
        return () if self._sink is None else self._sink.notes

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """What keeps results from where they go; empty while all is well."""
        return "" if self._sink is None else self._sink.trouble

    @property
    def lost(self) -> int:  # type: ignore[override]
        """Results that were written and never got there."""
        return 0 if self._sink is None else self._sink.lost

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Write one result; see `Sink.write`. Raises UsageError and SinkError as opening does."""
        self._opened().write(frame, result, overlay)

    def close(self) -> None:
        """Close the sink, if it was opened; from now on none is."""
        self._open_sink = _refuse  # what opens sinks knows the stream, which knows its sinks
        if self._sink is not None:
            self._sink.close()

    def _opened(self) -> Sink:
        if self._sink is None:
            self._sink = self._open_sink()
        return self._sink


def _refuse() -> Sink:
    raise SinkError("the sink is closed")


class Once:
    """Does something once, however many threads ask for it; what it raises, all of them get.

    Args:
        action: that is done.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._lock = threading.Lock()
        self._done = False

    def __call__(self) -> None:
        """Do it, if it was not done without an error yet."""
        with self._lock:
            if not self._done:
                self._action()
                self._done = True

"""Open a source once and read it, in a thread that may be left behind if it hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Protocol

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.streams.stillness import Stillness

GRACE_S = 0.25  # for a reader to come back by itself, before its source is closed under it
OPENING_S = 0.75  # more for one that still opens its source: of that nothing can be lost


class Step(Enum):
    """What a reader is to do with the next frame: decode it, pass over it, or leave it."""

    READ = auto()
    SKIP = auto()
    STOP = auto()


class Gate(Protocol):
    """What a reader tells, and asks, from its thread; no lock is held meanwhile."""

    def opened(self, connection: Connection) -> None:
        """Its source is open."""

    def step(self, connection: Connection) -> Step:
        """Wait until the next frame may be read, and say how."""
        ...

    def came(self, connection: Connection, frame: Frame, still_s: float) -> None:
        """A frame was read; a live source has shown the same picture for so many seconds."""

    def passed(self, connection: Connection) -> None:
        """A frame was passed over."""

    def finished(self, connection: Connection) -> None:
        """The source ended or failed, and is closed."""


class Connection:
    """One opening of a source, read in a daemon thread until it ends, fails or is given up.

    A thread that is blocked in a driver, or in FFmpeg, cannot be stopped: one that is given up closes what it
    opened when it wakes.

    Args:
        owned: the source is closed in the end.

    Attributes:
        source: None until it is open.
        error: why it failed, None if it did not.
        over: it ended or failed, and is closed.
        busy_since_s: when the source was last asked for something that it has not done yet, else None.
        first_index: of its first frame, among all frames of its feed.
        bad_seen: of `Source.bad_frames`, how many are counted.
        first_s, last_s: when its first and its last frame came, None before.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        gate: Gate,
        clock: Callable[[], float],
        *,
        name: str,
        owned: bool,
    ) -> None:
        self.source: Source | None = None
        self.error: Exception | None = None
        self.over = False
        self.busy_since_s: float | None = clock()
        self.first_index = 0
        self.bad_seen = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self._open_source = open_source
        self._gate = gate
        self._clock = clock
        self._owned = owned
        self._stillness = Stillness()
        self._thread = threading.Thread(target=self._run, name=f"edgeseg-reader-{name}", daemon=True)
        self._closer = threading.Thread(
            target=self._close_under_reader, name=f"edgeseg-closer-{name}", daemon=True
        )

    @property
    def opened_source(self) -> Source:
        """Its source, which is open."""
        assert self.source is not None
        return self.source

    def start(self) -> None:
        """Begin to open the source."""
        self._thread.start()

    def leave(self) -> None:
        """Close the source under its reader, without waiting for it."""
        if self.source is not None and self._owned and not self.over and self._closer.ident is None:
            self._closer.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the reader, which was told to stop, and close its source under it if it does not come."""
        deadline_s = self._clock() + timeout_s
        self._thread.join(min(GRACE_S, timeout_s))
        if self._thread.is_alive():
            if self.source is None:
                deadline_s = min(deadline_s, self._clock() + OPENING_S)
            self.leave()
            self._thread.join(max(deadline_s - self._clock(), 0.0))
        if self._closer.ident is not None:
            self._closer.join(max(deadline_s - self._clock(), 0.0))

    def _run(self) -> None:
        try:
            self.source = self._open_source()
            self.busy_since_s = None
            self._gate.opened(self)
            self._read_all(self.source)
        except Exception as error:  # what comes of it is the feed's to decide
            self.error = error
        try:
            self.busy_since_s = self._clock()
            self._close()
        except Exception as error:
            self.error = self.error or error
        self.over = True
        self._gate.finished(self)

    def _read_all(self, source: Source) -> None:
        while (step := self._gate.step(self)) is not Step.STOP:
            self.busy_since_s = self._clock()
            if step is Step.SKIP:
                went_on = source.skip()
                self.busy_since_s = None
                if not went_on:
                    return
                self._gate.passed(self)
            else:
                frame = source.read()
                self.busy_since_s = None
                if frame is None:
                    return
                still_s = self._stillness.seen_s(frame.image, self._clock()) if source.live else 0.0
                self._gate.came(self, frame, still_s)

    def _close_under_reader(self) -> None:
        with suppress(Exception):  # the reader closes it again, and keeps what goes wrong
            self._close()

    def _close(self) -> None:
        if self.source is not None and self._owned:
            self.source.close()

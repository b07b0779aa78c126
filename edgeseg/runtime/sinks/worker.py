"""Write results to one sink: a thread of its own, fed by a queue with a bound."""

from __future__ import annotations

import random
import threading
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError, one_line
from edgeseg.frames.results import Result
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.status import SinkState, SinkStatus
from edgeseg.spec import ModelSpec

LOSSLESS_ROOM = 1  # results waiting for a sink that the stream waits for
HANGS_S = 5.0  # a write that takes longer is said to hang
LIVE_ROOM = 4  # for one that it does not wait for: each holds a frame, its result and its overlay


class Delivered:
    """A frame, its result, and its overlay, which is drawn once, for the first sink that wants it.

    All sinks of a stream share it: none may change what it holds.

    Args:
        drawn: False for the plain picture in place of the overlay.
    """

    def __init__(
        self, frame: Frame, result: Result, spec: ModelSpec, times: StageTimes, *, drawn: bool = True
    ) -> None:
        self.frame = frame
        self.result = result
        self._spec = spec
        self._times = times
        self._drawing = threading.Lock()
        self._overlay: NDArray[np.uint8] | None = None if drawn else frame.image

    def overlay(self) -> NDArray[np.uint8]:
        """Give the overlay, (H, W, 3) uint8 BGR."""
        with self._drawing:
            if self._overlay is None:
                with self._times.measure("render"):
                    self._overlay = draw(self.frame.image, self.result, self._spec)
            return self._overlay


class SinkWorker:
    """One sink and the thread that writes and closes it.

    Where nothing may be lost the first failure is the last: `error` holds it, and nothing more is written.
    Else a result whose writing failed is dropped, and after a pause that grows with each failure in a row the
    newest that wait are tried.

    Args:
        changed: guards what is shared with those who hand over results, and tells them of every change.

    Attributes:
        lossless: nothing may be lost.
        error: why the sink failed, where nothing may be lost.
        wants_overlay: it has asked for an overlay.
    """

    def __init__(
        self, sink: Sink, times: StageTimes, changed: threading.Condition, backoff: Backoff, *, lossless: bool
    ) -> None:
        self.sink = sink
        self.lossless = lossless
        self.error: Exception | None = None
        self.wants_overlay = False
        self._times = times
        self._changed = changed
        self._backoff = backoff
        self._queue: deque[Delivered] = deque()
        self._ended = self._closed = False
        self._written = self._dropped = self._retries = 0
        self._failures = 0  # in a row
        self._retry_at_s = 0.0
        self._last_error = ""
        self._writing_since_s: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"edgeseg-sink-{sink.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def has_room(self) -> bool:
        """Whether a result can be put without dropping one; call it while holding `changed`."""
        return len(self._queue) < (LOSSLESS_ROOM if self.lossless else LIVE_ROOM)

    def put(self, item: Delivered) -> None:
        """Queue a result, dropping the oldest that waits where there is no room; hold `changed`."""
        while not self.has_room():
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(item)

    def end(self) -> None:
        """Let the thread write what waits and close the sink; hold `changed`."""
        self._ended = True

    def wait(self, timeout_s: float | None) -> None:
        """Wait for the thread to end; one that takes longer is left behind, its queue dropped."""
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return
        with self._changed:
            self._dropped += len(self._queue)
            self._queue.clear()
            self._writing_since_s = None
            self._note_failure(SinkError(f"{self.sink.name} did not close in time and is left behind"))

    def status(self) -> SinkStatus:
        """Say how the sink is doing."""
        with self._changed:
            trouble = self.sink.trouble or self._hanging()
            state = SinkState.FAILING if self._failures or trouble else SinkState.OPEN
            return SinkStatus(
                name=self.sink.name,
                state=SinkState.CLOSED if self._closed else state,
                written=self._written,
                waiting=len(self._queue),
                dropped=self._dropped + self.sink.lost,
                retries=self._retries,
                error=trouble or self._last_error,
            )

    def _hanging(self) -> str:
        since_s = self._writing_since_s
        took_s = 0.0 if since_s is None else time.monotonic() - since_s
        return f"{self.sink.name} has been writing one result for {took_s:.0f} s" if took_s > HANGS_S else ""

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._write(item)
        try:
            self.sink.close()
        except Exception as error:  # whatever a sink raises, the others go on
            with self._changed:
                self._note_failure(error)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> Delivered | None:
        """Wait for a result, and out the pause after a failure; None at the end."""
        with self._changed:
            while not self._ended:
                pause_s = self._retry_at_s - time.monotonic()
                if self._queue and pause_s <= 0:
                    break
                self._changed.wait(pause_s if self._queue else None)
            if self.error is not None:
                self._queue.clear()
            item = self._queue.popleft() if self._queue else None
            if item is not None and self._failures:
                self._retries += 1
            self._changed.notify_all()
            return item

    def _write(self, item: Delivered) -> None:
        self._writing_since_s = time.monotonic()
        try:
            self.wants_overlay = self.sink.needs_overlay
            overlay = item.overlay() if self.wants_overlay else None
            with self._times.measure("sink"):
                self.sink.write(item.frame, item.result, overlay)
        except Exception as error:  # a sink may be anybody's, and must not take the stream along
            with self._changed:
                self._dropped += 1
                self._note_failure(error)
        else:
            with self._changed:
                self._written += 1
                self._failures = 0
        finally:
            self._writing_since_s = None

    def _note_failure(self, error: Exception) -> None:
        self._last_error = one_line(str(error) or type(error).__name__)
        pause_s = self._backoff.delay_s(self._failures, random.random())
        self._retry_at_s = time.monotonic() + pause_s
        self._failures += 1
        if self.lossless:
            self.error = self.error or error
        self._changed.notify_all()

"""Hand results to sinks, each in a thread of its own, while the next frames are computed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

from edgeseg.frames.results import Result
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.worker import Delivered, SinkWorker
from edgeseg.runtime.status import SinkStatus
from edgeseg.spec import ModelSpec

CLOSE_S = 1.5  # for all sinks together, of the 2 s in which a run that is stopped ends


class Delivery:
    """Every sink gets all results, in the order they come, from a queue and a thread of its own.

    Lossless, `put` waits for the slowest sink, and the first failure of one ends the run. Else nothing waits
    for a sink: one that is slow misses results, one that fails is tried again after a pause, and both are
    counted. Frames and results belong to the sinks from `put` on: they must not change any more.

    The threads also close the sinks: Ctrl-C, which reaches only the main thread, cannot cut that short. Sinks
    that hang are left behind after CLOSE_S, unless the run ended by itself and is lossless.

    Args:
        times: gets `render` and `sink`, one duration for each overlay and each result a sink has written.
        backoff: the pauses after failures.

    Attributes:
        overlay: sinks that want an overlay get one; else they get the plain picture.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        spec: ModelSpec,
        times: StageTimes,
        *,
        lossless: bool = True,
        backoff: Backoff | None = None,
    ) -> None:
        self.overlay = True
        self._spec = spec
        self._times = times
        self._lossless = lossless
        self._changed = threading.Condition()
        pauses = backoff or Backoff()
        self._workers = [SinkWorker(sink, times, self._changed, pauses, lossless=lossless) for sink in sinks]

    @property
    def lossless(self) -> bool:
        """Whether nothing may be lost; it may be set until the first result."""
        return self._lossless

    @lossless.setter
    def lossless(self, value: bool) -> None:
        self._lossless = value
        for worker in self._workers:
            worker.lossless = value

    @property
    def error(self) -> Exception | None:
        """What went wrong first with a sink, where nothing may be lost; None while nothing has."""
        return next((worker.error for worker in self._workers if worker.error is not None), None)

    @property
    def wants_overlay(self) -> bool:
        """Whether a sink has asked for an overlay so far."""
        return any(worker.wants_overlay for worker in self._workers)

    def put(self, frame: Frame, result: Result) -> None:
        """Hand one result to all sinks.

        Lossless, this waits for room, and raises what writing an earlier one raised.
        """
        item = Delivered(frame, result, self._spec, self._times, drawn=self.overlay)
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: self.error is not None or self._has_room())
                if self.error is not None:
                    raise self.error
            for worker in self._workers:
                worker.put(item)
            self._changed.notify_all()

    def status(self) -> tuple[SinkStatus, ...]:
        """Say how each sink is doing, in the order they were given."""
        return tuple(worker.status() for worker in self._workers)

    def notes(self) -> tuple[str, ...]:
        """Give what sinks note, and a line for each that lost results, where they may be lost."""
        lossy = [] if self._lossless else [one for one in self.status() if one.dropped]
        noted = [note for worker in self._workers for note in worker.sink.notes]
        lost = [
            f"{one.name}: {one.dropped} results are missing; {one.error or 'it was too slow'}"
            for one in lossy
        ]
        return (*noted, *lost)

    def __enter__(self) -> Delivery:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, close the sinks, and raise what went wrong with them if nothing else did."""
        with self._changed:
            for worker in self._workers:
                worker.end()
            self._changed.notify_all()
        try:
            self._wait(None if self._lossless and kind is None else CLOSE_S)
        except KeyboardInterrupt:  # pressed twice, or at the very end: finish all the same
            self._wait(CLOSE_S)
            raise
        if self.error is not None and kind is None:
            raise self.error

    def _has_room(self) -> bool:
        return all(worker.has_room() for worker in self._workers)

    def _wait(self, timeout_s: float | None) -> None:
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        for worker in self._workers:
            worker.wait(None if deadline_s is None else max(0.0, deadline_s - time.monotonic()))

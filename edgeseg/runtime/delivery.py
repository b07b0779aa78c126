"""Write results in a thread of its own, while the next frame is computed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sinks.base import Result, Sink
from edgeseg.spec import ModelSpec


class Delivery:
    """Render and write results one at a time, in the order they come.

    The thread also closes the sinks: Ctrl-C, which reaches only the main thread, cannot cut that short.

    Attributes:
        error: what went wrong first with a sink, None while nothing has.
    """

    def __init__(self, sinks: Sequence[Sink], spec: ModelSpec, times: StageTimes) -> None:
        self._sinks = sinks
        self._spec = spec
        self._times = times
        self._pending: tuple[Frame, Result] | None = None
        self._changed = threading.Condition()
        self._ended = False
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._deliver_all, name="edgeseg-delivery")

    def put(self, frame: Frame, result: Result) -> None:
        """Hand one result over once the one before is taken up. Raises what writing that one raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending is None or self.error is not None)
            if self.error is not None:
                raise self.error
            self._pending = (frame, result)
            self._changed.notify_all()

    def __enter__(self) -> Delivery:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is pending, close the sinks, and raise what went wrong with them if nothing else did."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        try:
            self._thread.join()
        except KeyboardInterrupt:  # pressed twice, or at the very end: finish all the same
            self._thread.join()
            raise
        if self.error is not None and kind is None:
            raise self.error

    def _deliver_all(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._deliver(*item)
        except Exception as error:  # raised again by `put` or at the end
            self._fail(error)
        for sink in self._sinks:
            self._close(sink)

    def _next(self) -> tuple[Frame, Result] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._pending is not None or self._ended)
            item, self._pending = self._pending, None
            self._changed.notify_all()
            return item

    def _deliver(self, frame: Frame, result: Result) -> None:
        overlay = None
        if any(sink.needs_overlay for sink in self._sinks):
            with self._times.measure("render"):
                overlay = draw(frame.image, result, self._spec)
        if self._sinks:
            with self._times.measure("sink"):
                for sink in self._sinks:
                    sink.write(frame, result, overlay)

    def _close(self, sink: Sink) -> None:
        try:
            sink.close()
        except Exception as error:  # the other sinks still want closing
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self.error = self.error or error
            self._changed.notify_all()

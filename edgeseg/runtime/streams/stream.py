"""Take one source's frames, and bring what the engine makes of them to filters and sinks, in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from edgeseg.frames.results import Result
from edgeseg.runtime.delivery import Delivery
from edgeseg.runtime.filters import Filter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import MS_PER_S, StageTimes
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.settings import DEFAULT_STALL_TIMEOUT_S
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.status import DropCause, SourceStatus, StreamStatus
from edgeseg.runtime.streams.batch import Item
from edgeseg.runtime.streams.dispatch import Arrivals, Recent
from edgeseg.runtime.streams.figures import Figures
from edgeseg.runtime.streams.finishing import result_of
from edgeseg.runtime.streams.inbox import Policy
from edgeseg.runtime.streams.opening import SourceLike, feed_of
from edgeseg.runtime.streams.room import Room
from edgeseg.runtime.streams.shedding import Shedding

OnResult = Callable[[Frame, Result], None]


class _StoppedError(Exception):
    """The stream was stopped before its end."""


class Stream:
    """What is done with one source's frames, in their order.

    A thread of the stream's own brings the engine's outputs to the frame's pixels, lets the filters change
    the result, and hands it to the sinks, which are closed at the end, whatever happens. A recording fails
    with the first error; a camera goes on, its errors counted, unless nothing can be computed for some
    seconds.

    Frames belong to the stream from the source on, and results to the sinks and to `on_result`: nothing that
    was handed over changes any more.

    Args:
        name: unique among the streams that share an engine.
        source: what `feed_of` takes.
        segmenter: on that engine; its thresholds and CRF are this stream's own.
        sinks: get all results, see `Delivery`.
        filters: change each result, one after another.
        policy: as for `Feed`.
        stall_timeout_s: likewise.
        on_state: likewise.
        frames: stop after so many results.
        budget_ms: of a frame, kept by doing less, see `Shedding`; None for never.
        on_result: called with each result in the stream's own thread, which it may hold up.
        on_end: called in the same thread once there will be no more, and the sinks are closed.
        wanted: asked before each frame is taken whether it may be; None for always.
        times: where durations go; None for a record of its own.

    Attributes:
        feed: of its source.
        delivery: to its sinks.
        times: durations by stage.
        error: why it ended, if not at the end of its source or because it was stopped.
        source_ended: it took all frames that there were.
    """

    def __init__(
        self,
        name: str,
        source: SourceLike,
        segmenter: Segmenter,
        sinks: Sequence[Sink] = (),
        *,
        filters: Sequence[Filter] = (),
        policy: Policy | None = None,
        stall_timeout_s: float = DEFAULT_STALL_TIMEOUT_S,
        frames: int | None = None,
        budget_ms: float | None = None,
        on_result: OnResult | None = None,
        on_end: Callable[[], None] = lambda: None,
        on_state: Callable[[SourceStatus], None] | None = None,
        wanted: Callable[[], bool] | None = None,
        times: StageTimes | None = None,
    ) -> None:
        self.name = name
        self.segmenter = segmenter
        self.filters = tuple(filters)
        self.error: Exception | None = None
        self.times = times if times is not None else StageTimes()
        self.feed = feed_of(
            source,
            name,
            taken=segmenter.spec.input,
            policy=policy,
            stall_timeout_s=stall_timeout_s,
            times=self.times,
            on_frame=self._came,
            on_state=on_state,
        )
        self.delivery = Delivery(sinks, segmenter.spec, self.times)
        self.source_ended = False
        self.images = 1  # that its last frame took of a batch
        self.arrivals = Arrivals()
        self.preparing = Recent()
        self._frames_left = frames
        self._on_result = on_result
        self._on_end = on_end
        self._wanted = wanted
        self._on_news: Callable[[], None] = lambda: None
        self._changed = threading.Condition()
        self._queue: deque[Item] = deque()  # outputs that wait; no more than there is room for
        self._room = Room()
        self._budget_ms = budget_ms
        self._shedding = Shedding(budget_ms, segmenter.refinement)
        self._input_over = self._stopped = self._done = False
        self._figures = Figures()
        self._thread = threading.Thread(target=self._run, name=f"edgeseg-finish-{name}", daemon=True)

    @property
    def results(self) -> int:
        """Frames that have one."""
        return self._figures.results

    @property
    def done(self) -> bool:
        """Whether all results stand in the sinks, and these are closed."""
        return self._done

    def start(self, on_news: Callable[[], None]) -> None:
        """Open the source and the sinks.

        Args:
            on_news: called by other threads when there is a frame to take, room for one, or the end; it must
                not block.
        """
        self._on_news = on_news
        self._thread.start()
        self.feed.__enter__()

    def may_take(self, outputs_at_s: float) -> bool:
        """Tell whether a frame waits, and there is room for it; note the end of the source.

        Args:
            outputs_at_s: when the engine would have its outputs. Those of a live source must not wait long.
        """
        if self._frames_left == 0:
            self.end()
        elif self.feed.ended and not self._input_over:
            self.source_ended = True
            self.end()
        if self._input_over or not self.feed.has_frame or (self._wanted is not None and not self._wanted()):
            return False
        now_s = time.monotonic()
        if now_s < self.rests_until_s:
            return False
        with self._changed:
            is_late = self.feed.policy == "latest" and self._room.is_late(now_s, outputs_at_s)
            return not self._room.is_full and not is_late

    def take(self) -> Item | None:
        """Take the frame that waits; None if there is none any more. It is then finished, or failed."""
        frame = self.feed.poll()
        if frame is None:
            return None
        with self._changed:
            self._room.ahead += 1
            if self._frames_left is not None:
                self._frames_left -= 1
        now_s = time.monotonic()
        self._shedding.took(now_s)
        if (rests_until_s := self.rests_until_s) > now_s:
            self.feed.expect(rests_until_s, DropCause.SHED)
        return Item(self, self.segmenter, frame, frame.time_s if self.feed.policy == "latest" else now_s)

    def adopt(self, segmenter: Segmenter) -> None:
        """Prepare and finish the frames that are taken from now on by another segmenter.

        A CRF that keeps a budget begins with all it may do.
        """
        self.segmenter = segmenter
        if self._budget_ms is not None and segmenter.refinement is not None:
            self._shedding = Shedding(self._budget_ms, segmenter.refinement)

    def finish(self, item: Item) -> None:
        """Queue a frame with its outputs; never wait."""
        with self._changed:
            if not self._done:
                self._queue.append(item)
                self._changed.notify_all()

    def fail(self, item: Item, error: Exception) -> None:
        """Give up a frame that could not be prepared or inferred."""
        with self._changed:
            self._room.ahead -= 1
        self._note_failure(item, error)

    def crash(self, error: Exception) -> None:
        """End at once, with an error that is not of one frame."""
        self._set_error(error)
        self.feed.stop()

    def expect(self, at_s: float | None) -> None:
        """Say when the engine will have time for the next frame; None for at any time."""
        rests_until_s = self.rests_until_s
        if rests_until_s > (time.monotonic() if at_s is None else at_s):
            self.feed.expect(rests_until_s, DropCause.SHED)
        else:
            self.feed.expect(at_s)

    @property
    def rests_until_s(self) -> float:
        """Before when no frame may be taken, to keep within the budget."""
        return self._shedding.rests_until_s

    def end(self) -> None:
        """Take no more frames; what was taken is finished."""
        with self._changed:
            if not self._input_over:
                self._input_over = True
                self._changed.notify_all()

    def stop(self) -> None:
        """End at once: the frame that is being finished is the last. Does not wait."""
        with self._changed:
            self._stopped = self._input_over = True
            self._changed.notify_all()
        self.feed.stop()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it is done; False if the time is over before."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> StreamStatus:
        """Say how it is doing."""
        source = self.feed.status()
        with self._changed:
            stopped = self._room.ahead if self._done else 0
            status = self._figures.status(self.name, source, stopped, time.monotonic())
        return replace(
            status,
            stages=self.times.summaries(),
            sinks=self.delivery.status(),
            shed=self._shedding.lines(),
        )

    def notes(self) -> tuple[str, ...]:
        """Give one line for each thing that was read, done or written otherwise than a user might expect."""
        return (*self.feed.status().notes, *self.segmenter.notes, *self.delivery.notes())

    def shed(self) -> tuple[str, ...]:
        """Say what was done less so far to keep within the budget, and how often."""
        return self._shedding.summary()

    def _came(self) -> None:
        self.arrivals.add(time.monotonic())
        self._on_news()

    def _run(self) -> None:
        try:
            with self.delivery:
                while (item := self._next()) is not None:
                    self._finish(item)
        except _StoppedError:
            pass
        except Exception as error:  # of a sink that may lose nothing, or of a caller's own code
            self._set_error(error)
        with self._changed:
            self._input_over = self._done = True
            self._queue.clear()
        if self.feed.error is not None:
            self._set_error(self.feed.error)
        self.feed.stop()
        self._on_end()
        self._on_news()

    def _next(self) -> Item | None:
        """Wait for the next outputs; None at the end."""
        with self._changed:
            self._room.idle()
            self._changed.wait_for(
                lambda: (
                    self._queue or self._stopped or self.error or (self._input_over and not self._room.ahead)
                )
            )
            if self.error is not None:
                raise self.error
            if self._stopped:
                raise _StoppedError
            if not self._queue:
                return None
            self._room.begin(time.monotonic())
            item = self._queue.popleft()
        self._on_news()  # there is room
        return item

    def _finish(self, item: Item) -> None:
        try:
            result = result_of(item, self.filters)
        except Exception as error:
            self._note_failure(item, error)
            return
        now_s = time.monotonic()
        latency_s = now_s - item.began_s
        item.stages_ms["total"] = MS_PER_S * latency_s
        frame = replace(item.frame, stages_ms=item.stages_ms)
        if not self._figures.results:
            self.delivery.lossless = self.feed.policy == "every"
        with self._changed:
            self._figures.add(latency_s, now_s)
        self._shedding.note(item.stages_ms, self.feed.policy, self.delivery)
        self.delivery.put(frame, result)
        if self._on_result is not None:
            self._on_result(frame, result)
        self._room.finish(time.monotonic())

    def _note_failure(self, item: Item, error: Exception) -> None:
        """Count a frame that has no result, and fail if that is final."""
        now_s = time.monotonic()
        source = self.feed.source
        with self._changed:
            fails = self._figures.fail(item.frame.index, error, now_s)
            if self._frames_left is not None:
                self._frames_left += 1
        if fails or source is None or not source.live:
            self._set_error(error)
        self._on_news()

    def _set_error(self, error: Exception) -> None:
        with self._changed:
            self._input_over = True
            if self.error is None:
                self.error = error
                self._figures.end(error)
            self._changed.notify_all()

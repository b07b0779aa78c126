"""Hold the frames that were read until they are taken: every one, or the newest only."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause, SourceState, SourceStatus
from edgeseg.runtime.streams.connection import Connection, Step
from edgeseg.runtime.streams.history import History
from edgeseg.runtime.streams.losses import Losses
from edgeseg.runtime.streams.pace import Pace

Policy = Literal["latest", "every"]

READ_AHEAD_FRAMES = 2  # waiting beside the one in work: enough to hide decoding, little enough in memory
READ_AHEAD_BYTES = 64 << 20  # of very large frames one waits
FROZEN_S = 30.0  # cameras send a whole picture each ten seconds or oftener, whose noise differs


class _Waiting(NamedTuple):
    """A frame that nobody took yet, where it is from, and what had been lost when it came."""

    frame: Frame
    connection: Connection
    losses: Losses


class Inbox:
    """Between the threads that read a source and the one that takes its frames; see `Feed`.

    It is the `Gate` of its connections. Only the current one puts frames in; what another reads is dropped.

    Attributes:
        source: that of the current connection, or of the last one; None before the first is open.
        policy: None until the source is open, where it decides.
        losses: what the source lost up to the frame taken last, or in all once it is over.
        was_live: a live source was open.
        stopped: nobody wants more frames.
        over: no frame will come.
        is_stale: newer frames than the one that waits were passed over.
        news: for the thread that watches: a connection is open or over, or the state changed.
    """

    def __init__(
        self,
        name: str,
        *,
        address: str,
        policy: Policy | None,
        times: StageTimes,
        on_frame: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.source: Source | None = None
        self.policy = policy
        self.losses = Losses(0, 0)
        self.was_live = self.stopped = self.over = self.is_stale = False
        self.lock = threading.Lock()
        self.news = threading.Condition(self.lock)
        self.connection: Connection | None = None
        self.history = History(address, clock())
        self._frames = threading.Condition(self.lock)  # one came or was taken, or there will be no more
        self._name = name
        self._times = times
        self._on_frame = on_frame
        self._clock = clock
        self._pace = Pace()
        self._waiting: deque[_Waiting] = deque()
        self._bad_frames = 0  # of all connections
        self._next_index = 0
        self._last_s = 0.0  # `Frame.time_s` of the last frame
        self._played = 0  # frames of a recording that plays at its own rate
        self._played_from_s = 0.0

    @property
    def ended(self) -> bool:
        """Whether no frame waits and none will come."""
        with self.lock:
            return self.over and not self._waiting

    @property
    def has_frame(self) -> bool:
        """Whether a frame waits."""
        return bool(self._waiting)

    def poll(self) -> Frame | None:
        """Return the frame that waits, None where there is none."""
        with self.lock:
            return self._pop()

    def take(self, timeout_s: float | None) -> Frame | None:
        """Wait for a frame; None at the end, or when the time is over."""
        with self.lock:
            self._pace.wait(self._clock())
            self._frames.wait_for(lambda: self._waiting or self.over or self.stopped, timeout_s)
            if (frame := self._pop()) is not None:
                self._pace.give(self._clock())
            return frame

    def expect(self, at_s: float | None, cause: DropCause) -> None:
        """Say when the next poll will be, and why not before."""
        with self.lock:
            self._pace.expect(at_s, cause)

    def await_source(self, timeout_s: float | None) -> Source | None:
        """Wait until a source is open for the first time; None at the end, or when the time is over."""
        with self.lock:
            self._frames.wait_for(lambda: self.source or self.over or self.stopped, timeout_s)
            return self.source

    def status(self) -> SourceStatus:
        """Say how the source is doing."""
        with self.lock:
            return self.history.status(self._clock(), len(self._waiting))

    def stop(self) -> None:
        """Let the readers and whoever waits go."""
        with self.lock:
            self.stopped = True
            self._wake_all()

    def end(self, detail: str) -> None:
        """No frame will come."""
        with self.lock:
            self.over = self.stopped = True
            self.is_stale = False  # there is no newer one to wait for
            if self.source is not None and not self._waiting:
                self.losses = self._all_losses(self.source)
            self.history.enter(SourceState.ENDED, self._clock(), detail)
            self._wake_all()
        self._on_frame()
        self._on_frame = _nothing  # it knows who knows this, and decoders are to be freed at once

    def opened(self, connection: Connection) -> None:
        """Take note of what kind of source it is; see `Gate`."""
        source = connection.source
        assert source is not None
        with self.lock:
            if connection is self.connection:
                self.source = source
                self.policy = self.policy or ("latest" if source.live else "every")
                self.was_live = self.was_live or source.live
                self.history.address = source.name
                connection.first_index = self._next_index
                self._wake_all()

    def step(self, connection: Connection) -> Step:
        """Wait until the next frame may be read; see `Gate`."""
        with self.lock:
            if self.policy == "every":
                self._frames.wait_for(lambda: not self._goes_on(connection) or self._has_room())
            else:
                self._await_playing_time(connection)
            if not self._goes_on(connection):
                return Step.STOP
            wanted = self.policy == "every" or self._pace.wants(self._clock())
            return Step.READ if wanted else Step.SKIP

    def came(self, connection: Connection, frame: Frame, still_s: float) -> None:
        """Put a frame where it is taken; see `Gate`. Under `latest` it takes the place of the one before."""
        now_s = self._clock()
        with self.lock:
            self.history.offer()
            self._times.add("capture", now_s - frame.time_s)
            if connection is not self.connection or self.over:
                self.history.drop(DropCause.STOPPED if self.over else DropCause.OUTAGE)
                return
            self._count_losses(connection)
            frame = self._placed(connection, frame)
            self.history.come(frame, now_s, goes_on=connection.first_s is not None)
            connection.first_s = now_s if connection.first_s is None else connection.first_s
            connection.last_s = now_s
            self._say_live(still_s, now_s)
            if self.policy == "latest":
                self._drop_waiting(connection, now_s)
            self.is_stale = False
            self._waiting.append(_Waiting(frame, connection, self._all_losses(connection.opened_source)))
            self._frames.notify_all()
        self._on_frame()

    def passed(self, connection: Connection) -> None:
        """Count a frame that was passed over; see `Gate`."""
        now_s = self._clock()
        with self.lock:
            self.history.offer()
            self.history.drop(self._pace.cause(now_s))
            if connection is self.connection:
                self.is_stale = True
                self._count_losses(connection)

    def finished(self, connection: Connection) -> None:
        """Wake the thread that watches; see `Gate`."""
        with self.lock:
            if connection is self.connection and connection.source is not None:
                self._count_losses(connection)
            self.news.notify_all()

    def _pop(self) -> Frame | None:
        if not self._waiting:
            return None
        frame, _, self.losses = self._waiting.popleft()
        if self.over and not self._waiting and self.source is not None:
            self.losses = self._all_losses(self.source)
        self._frames.notify_all()
        return frame

    def _goes_on(self, connection: Connection) -> bool:
        return connection is self.connection and not self.stopped

    def _has_room(self) -> bool:
        held_bytes = sum(waiting.frame.image.nbytes for waiting in self._waiting)
        return not self._waiting or (len(self._waiting) < READ_AHEAD_FRAMES and held_bytes < READ_AHEAD_BYTES)

    def _await_playing_time(self, connection: Connection) -> None:
        source = connection.opened_source
        if source.live or not source.fps:
            return
        now_s = self._clock()
        if not self._played:
            self._played_from_s = now_s
        due_s = self._played_from_s + self._played / source.fps
        self._played += 1
        self._frames.wait_for(lambda: not self._goes_on(connection), max(due_s - now_s, 0.0))

    def _placed(self, connection: Connection, frame: Frame) -> Frame:
        """Give a frame its name, and its place among those of all connections."""
        index = max(connection.first_index + frame.index, self._next_index)
        time_s = max(frame.time_s, self._last_s)
        self._next_index, self._last_s = index + 1, time_s
        return replace(frame, stream=self._name, index=index, time_s=time_s)

    def _say_live(self, still_s: float, now_s: float) -> None:
        if still_s >= FROZEN_S:
            detail = f"it shows the same picture for more than {FROZEN_S:g} s"
            self.history.enter(SourceState.STALLED, now_s, detail)
        else:
            self.history.enter(SourceState.LIVE, now_s)
        if self.history.changes:
            self.news.notify_all()

    def _drop_waiting(self, connection: Connection, now_s: float) -> None:
        for waiting in self._waiting:
            is_old = waiting.connection is not connection
            self.history.drop(DropCause.OUTAGE if is_old else self._pace.cause(now_s))
        self._waiting.clear()

    def _count_losses(self, connection: Connection) -> None:
        """Count the damaged frames that the source has passed over since the last look."""
        source = connection.opened_source
        lost = source.bad_frames - connection.bad_seen
        connection.bad_seen += lost
        self._bad_frames += lost
        self.history.offer(lost)
        self.history.drop(DropCause.DAMAGED, lost)
        self.history.note(source.notes)

    def _all_losses(self, source: Source) -> Losses:
        return Losses(self._bad_frames, len(source.skipped))

    def _wake_all(self) -> None:
        self._frames.notify_all()
        self.news.notify_all()


def _nothing() -> None:
    pass

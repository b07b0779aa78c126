"""Read frames of a source ahead: a thread reads while the caller computes."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal, NamedTuple, TypeVar

from edgeseg.errors import SourceError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sources.base import Source

Policy = Literal["latest", "every"]

READ_AHEAD_FRAMES = 2  # waiting beside the one in work: enough to hide decoding, little enough in memory
READ_AHEAD_BYTES = 64 << 20  # of very large frames one waits
LIVE_TIMEOUT_S = 15.0  # a live source that is silent for longer is dead; longer than OpenCV's own timeout
CLOSE_TIMEOUT_S = 2.0  # a thread blocked in a driver longer than this is left behind (it is a daemon)
SKIP_MARGIN_FRAMES = (
    2  # frames decoded before the caller is expected back: the last of them is the one it gets
)

ReaderT = TypeVar("ReaderT", bound="Reader")


class Losses(NamedTuple):
    """What a source has lost so far: damaged frames, and how many lines of `Source.skipped` there are."""

    bad_frames: int
    skipped: int

    @classmethod
    def of(cls, source: Source) -> Losses:
        """Read a source's counts."""
        return cls(source.bad_frames, len(source.skipped))


class Reader(ABC):
    """Read a source in a thread of its own; iterate to take the frames.

    The time to capture each frame, from `Frame.time_s` until it is decoded, goes to the stage `capture`.
    Errors of the source are raised where the frames are taken, after the frames before them; a source that
    ends without a single frame is a SourceError. The reader does not close the source.

    Attributes:
        drops: frames that were read or passed over and that nobody got.
        losses: of the source, up to the frame taken last, or in all once it has ended.
    """

    def __init__(self, source: Source, times: StageTimes | None = None) -> None:
        self.drops = 0
        self.losses = Losses(0, 0)
        self._source = source
        self._times = times if times is not None else StageTimes()
        self._waiting: deque[tuple[Frame, Losses]] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._stopped = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read_all, name="edgeseg-reader", daemon=True)

    def take(self) -> Frame | None:
        """Wait for the next frame and return it; None at the end of the source.

        Raises:
            SourceError: if the source fails, gives nothing at all, or is live and silent for LIVE_TIMEOUT_S.
        """
        with self._changed:
            self._await_frame()
            if self._waiting:
                frame, self.losses = self._waiting.popleft()
                self._changed.notify_all()
                return frame
            self.losses = Losses.of(self._source)
            if self._error is not None:
                raise self._error
            if not self._ended:
                raise SourceError(
                    f"{self._source.name} sent nothing for {LIVE_TIMEOUT_S:g} s; check camera and network"
                )
            return None

    def close(self) -> None:
        """Stop the thread; one that is blocked in a driver is left behind."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_S)

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.take()) is not None:
            yield frame

    def __enter__(self: ReaderT) -> ReaderT:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _may_read(self) -> bool:
        """Wait, holding `_changed`, until the next frame may be read; False where it is to be passed over."""

    def _await_frame(self) -> None:
        self._changed.wait_for(
            lambda: self._waiting or self._ended, LIVE_TIMEOUT_S if self._source.live else None
        )

    def _put(self, frame: Frame) -> None:
        self._waiting.append((frame, Losses.of(self._source)))

    def _read_all(self) -> None:
        try:
            nothing = not self._read_until_end()
            if nothing and not self._stopped:
                self._error = no_frames(self._source)
        except Exception as error:  # raised again by `take`
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_until_end(self) -> bool:
        """Read until the source ends or the reader is closed; return whether there were frames."""
        any_frames = False
        while True:
            with self._changed:
                wanted = self._may_read()
                if self._stopped:
                    return any_frames
            if not wanted:
                if not self._source.skip():
                    return any_frames
                self.drops += 1
            else:
                frame = self._source.read()
                if frame is None:
                    return any_frames
                self._times.add("capture", time.monotonic() - frame.time_s)
                with self._changed:
                    self._put(frame)
                    self._changed.notify_all()
            any_frames = True


class ReadAhead(Reader):
    """Every frame, a few of them read ahead: for recordings."""

    def _may_read(self) -> bool:
        self._changed.wait_for(lambda: self._stopped or self._has_room())
        return True

    def _has_room(self) -> bool:
        held_bytes = sum(frame.image.nbytes for frame, _ in self._waiting)
        return not self._waiting or (len(self._waiting) < READ_AHEAD_FRAMES and held_bytes < READ_AHEAD_BYTES)


class LatestReader(Reader):
    """The newest frame only: for live sources, whose frames go stale while the caller computes.

    One frame waits; a newer one takes its place, and the old one is dropped. While the caller is expected to
    be busy for some frames more, estimated by how long it was last time, frames are passed over undecoded. A
    recording plays at its own rate, as if it were a camera.
    """

    def __init__(
        self,
        source: Source,
        times: StageTimes | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(source, times)
        self._clock = clock
        self._taken_s: float | None = None  # when the caller last got a frame; None while it waits for one
        self._busy_s = 0.0  # how long the caller last stayed away
        self._read_s: float | None = None  # when the last frame came
        self._interval_s = 0.0  # between frames
        self._frames = 0
        self._started_s = 0.0

    def take(self) -> Frame | None:
        """Wait for the newest frame and return it; see `Reader.take`."""
        with self._changed:
            if self._taken_s is not None:
                self._busy_s = self._clock() - self._taken_s
                self._taken_s = None
        frame = super().take()
        with self._changed:
            self._taken_s = self._clock()
        return frame

    def _may_read(self) -> bool:
        self._await_playing_time()
        now_s = self._clock()
        if self._read_s is not None:
            self._interval_s = now_s - self._read_s
        self._read_s = now_s
        if self._taken_s is None:
            return True
        return now_s + SKIP_MARGIN_FRAMES * self._interval_s >= self._taken_s + self._busy_s

    def _await_playing_time(self) -> None:
        if self._source.live or not self._source.fps:
            return
        now_s = self._clock()
        if not self._frames:
            self._started_s = now_s
        due_s = self._started_s + self._frames / self._source.fps
        self._frames += 1
        self._changed.wait_for(lambda: self._stopped, max(due_s - now_s, 0.0))

    def _put(self, frame: Frame) -> None:
        self.drops += len(self._waiting)
        self._waiting.clear()
        super()._put(frame)


def open_reader(source: Source, policy: Policy | None, times: StageTimes | None = None) -> Reader:
    """Choose the reader by policy; None stands for `latest` where the source is live, else `every`."""
    policy = policy or ("latest" if source.live else "every")
    return LatestReader(source, times) if policy == "latest" else ReadAhead(source, times)


def no_frames(source: Source) -> SourceError:
    """Say that a source ended without a single frame."""
    advice = "check camera and network" if source.live else "check that it is not empty"
    detail = f": {source.skipped[0]}" if source.skipped else f"; {advice}"
    return SourceError(f"{source.name} gave no frames{detail}")


def stopped(source: Source) -> SourceError:
    """Say that a live source ended, which it never does if all is well."""
    detail = source.skipped[-1] if source.skipped else f"{source.name} stopped sending"
    return SourceError(f"{detail}{bad_frames(source.bad_frames)}; check camera and network")


def bad_frames(count: int) -> str:
    """Say how many frames were lost, as an apposition; nothing if none was."""
    return f", {count} damaged or missing" if count else ""

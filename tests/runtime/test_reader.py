from __future__ import annotations

import queue
import threading
import time

import numpy as np
import pytest

from edgeseg.errors import SourceError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.reader import LatestReader, ReadAhead, no_frames, open_reader
from edgeseg.runtime.sources.base import Source

from .fakes import GreyFrames

PATIENCE_S = 30.0  # for what must happen; never waited for when it does


class Camera(Source):
    """A live source whose frames come when the test says so."""

    name, live = "camera", True

    def __init__(self) -> None:
        super().__init__()
        self.skips = 0
        self._frames: queue.Queue[int | None] = queue.Queue()
        self._asked = threading.Semaphore(0)
        self._sent = 0

    def send(self) -> None:
        """Send one frame, once the reader asks for it."""
        assert self._asked.acquire(timeout=PATIENCE_S)
        self._frames.put(self._sent)
        self._sent += 1

    def settle(self) -> None:
        """Wait until the reader asks for a frame that has not been sent."""
        assert self._asked.acquire(timeout=PATIENCE_S)
        self._asked.release()

    def end(self) -> None:
        self._frames.put(None)

    def read(self) -> Frame | None:
        self._asked.release()
        index = self._frames.get(timeout=PATIENCE_S)
        return None if index is None else Frame(np.zeros((2, 2, 3), np.uint8), index, time.monotonic())

    def skip(self) -> bool:
        self.skips += 1
        return super().skip()


def test_the_newest_frame_wins_and_drops_are_counted() -> None:
    camera = Camera()
    with LatestReader(camera) as reader:
        camera.send()
        assert reader.take().index == 0
        for _ in range(3):
            camera.send()
        camera.settle()  # frames 1 to 3 came while the caller was busy
        assert reader.take().index == 3
        assert reader.drops == 2
        camera.end()
        assert reader.take() is None


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_frames_that_will_be_dropped_are_not_decoded() -> None:
    camera, clock = Camera(), Clock()

    def send_every_10_ms(count: int) -> None:
        for _ in range(count):
            camera.settle()
            clock.now_s += 0.010
            camera.send()
        camera.settle()

    with LatestReader(camera, clock=clock) as reader:
        send_every_10_ms(1)
        assert reader.take().index == 0
        send_every_10_ms(10)  # the caller is away for 100 ms: how long it takes is not known yet
        assert camera.skips == 0
        assert reader.take().index == 10
        send_every_10_ms(10)  # away for 100 ms again
        assert camera.skips >= 6
        newest = reader.take()
        assert newest.index == 20
        assert reader.drops == 18
        camera.end()


class Hesitant(LatestReader):
    """Lets the caller come for the next frame between two looks at when it got the last one."""

    def __init__(self, source: Source) -> None:
        self.calls: dict[str, threading.Event] = {name: threading.Event() for name in ("look", "came")}
        super().__init__(source)

    @property
    def _interval_s(self) -> float:
        if self._taken_s is not None:
            self.calls["look"].set()
            self.calls["came"].wait(0.2)  # not for ever: the caller may have to wait for the look to end
        return 0.0

    @_interval_s.setter
    def _interval_s(self, value: float) -> None:
        pass


def test_coming_back_while_the_reader_looks_is_no_error() -> None:
    camera = Camera()
    with Hesitant(camera) as reader:
        camera.send()
        assert reader.take().index == 0
        camera.send()
        assert reader.calls["look"].wait(PATIENCE_S)
        reader.take()
        reader.calls["came"].set()
        camera.send()
        assert reader.take().index == 2
        camera.end()


def test_every_frame_of_a_recording_comes_in_order() -> None:
    times = StageTimes()
    with ReadAhead(GreyFrames(range(50)), times) as reader:
        assert [int(frame.image[0, 0, 0]) for frame in reader] == list(range(50))
    assert reader.drops == 0
    assert times.summaries()["capture"].samples == 50


def test_reading_ahead_stops_at_the_limit() -> None:
    source = GreyFrames(range(50))
    with ReadAhead(source) as reader:
        assert reader.take().index == 0
    assert source.position <= 1 + 2 + 1  # taken, waiting, in the reader's hand


def test_leaving_early_stops_the_thread() -> None:
    before = set(threading.enumerate())
    with ReadAhead(GreyFrames(range(50))) as reader:
        reader.take()
    assert not set(threading.enumerate()) - before


class Lossy(GreyFrames):
    """Loses a frame before each one that it gives."""

    def read(self) -> Frame | None:
        self.bad_frames += 1
        self.skipped.append("one frame")
        return super().read()


def test_losses_are_those_before_the_frame_that_was_taken() -> None:
    with ReadAhead(Lossy(range(9))) as reader:
        reader.take()
        reader.take()
        assert reader.losses == (2, 2)  # however far the source is read
        assert len(list(reader)) == 7
        assert reader.losses == (10, 10)


def test_of_very_large_frames_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.reader.READ_AHEAD_BYTES", 1)
    source = GreyFrames(range(50))
    with ReadAhead(source) as reader:
        assert reader.take().index == 0
    assert source.position <= 1 + 1 + 1  # taken, waiting, in the reader's hand


class Broken(GreyFrames):
    def read(self) -> Frame | None:
        if self.position == 2:
            raise SourceError("the cable is out")
        return super().read()


def test_errors_come_after_the_frames_before_them() -> None:
    with ReadAhead(Broken(range(9))) as reader:
        assert reader.take().index == 0
        assert reader.take().index == 1
        with pytest.raises(SourceError, match="the cable is out"):
            reader.take()


@pytest.mark.parametrize("kind", [ReadAhead, LatestReader])
def test_a_source_without_frames_is_an_error(kind: type[ReadAhead]) -> None:
    with kind(GreyFrames([])) as reader, pytest.raises(SourceError, match="grey gave no frames"):
        reader.take()


def test_advice_fits_the_source() -> None:
    assert str(no_frames(GreyFrames([]))) == "grey gave no frames; check that it is not empty"
    assert str(no_frames(GreyFrames([], live=True))) == "grey gave no frames; check camera and network"


def test_a_silent_camera_is_an_error_and_closing_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.reader.LIVE_TIMEOUT_S", 0.05)
    monkeypatch.setattr("edgeseg.runtime.reader.CLOSE_TIMEOUT_S", 0.05)
    camera = Camera()
    with LatestReader(camera) as reader, pytest.raises(SourceError, match=r"camera sent nothing for 0\.05 s"):
        reader.take()
    camera.end()


def test_a_recording_read_as_latest_plays_at_its_own_rate() -> None:
    with LatestReader(GreyFrames(range(5), fps=200.0)) as reader:
        started_s = time.monotonic()
        last = list(reader)[-1]
    assert last.index == 4
    assert time.monotonic() - started_s >= 3 / 200  # the first one may have come before the clock was read


def test_the_policy_follows_the_source() -> None:
    assert isinstance(open_reader(GreyFrames([1]), None), ReadAhead)
    assert isinstance(open_reader(GreyFrames([1], live=True), None), LatestReader)
    assert isinstance(open_reader(GreyFrames([1], live=True), "every"), ReadAhead)
    assert isinstance(open_reader(GreyFrames([1]), "latest"), LatestReader)

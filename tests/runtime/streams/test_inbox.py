from __future__ import annotations

import threading
import time

import pytest

from edgeseg.errors import SourceError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause
from edgeseg.runtime.streams.feed import Feed
from edgeseg.runtime.streams.inbox import Policy
from edgeseg.runtime.streams.opening import feed_of

from ..fakes import GreyFrames
from .cameras import Camera, Clock


def test_the_newest_frame_wins_and_drops_are_counted() -> None:
    camera = Camera()
    with feed_of(camera) as feed:
        camera.send()
        assert feed.take().index == 0
        for _ in range(3):
            camera.send()
        camera.settle()  # frames 1 to 3 came while the caller was busy
        assert feed.take().index == 3
        status = feed.status()
        assert (status.offered, status.waiting, status.drops) == (4, 0, {DropCause.BUSY: 2})
        camera.end()
        assert feed.take() is None


def test_frames_that_will_be_dropped_are_not_decoded() -> None:
    camera, clock = Camera(), Clock()

    def send_every_10_ms(count: int) -> None:
        for _ in range(count):
            camera.settle()
            clock.now_s += 0.010
            camera.send()
        camera.settle()

    with Feed("", lambda: camera, clock=clock) as feed:
        send_every_10_ms(1)
        assert feed.take().index == 0
        send_every_10_ms(10)  # the caller is away for 100 ms: how long it takes is not known yet
        assert camera.skips == 0
        assert feed.take().index == 10
        send_every_10_ms(10)  # away for 100 ms again
        assert camera.skips >= 6
        newest = feed.take()
        assert newest.index == 20
        assert feed.status().drops == {DropCause.BUSY: 18}
        feed.stop()
        camera.end()


def test_a_caller_that_polls_says_when_it_comes() -> None:
    camera, clock = Camera(), Clock()
    with Feed("", lambda: camera, clock=clock) as feed:
        assert feed.poll() is None
        camera.send()
        camera.settle()
        assert feed.poll().index == 0
        feed.expect(0.1, DropCause.SHED)
        for _ in range(5):
            clock.now_s += 0.01
            camera.send()
            camera.settle()
        assert camera.skips >= 3
        assert feed.status().drops.keys() == {DropCause.SHED}
        feed.stop()
        camera.end()


def test_every_frame_of_a_recording_comes_in_order() -> None:
    times = StageTimes()
    with feed_of(GreyFrames(range(50)), "yard", times=times) as feed:
        frames = list(feed)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == list(range(50))
    assert {frame.stream for frame in frames} == {"yard"}
    assert feed.ended
    assert feed.error is None
    assert (feed.status().offered, feed.status().drops) == (50, {})
    assert times.summaries()["capture"].samples == 50


def test_reading_ahead_stops_at_the_limit() -> None:
    source = GreyFrames(range(50))
    with feed_of(source) as feed:
        assert feed.take().index == 0
    assert source.position <= 1 + 2 + 1  # taken, waiting, in the reader's hand
    assert feed.status().waiting == feed.status().offered - 1 <= 3


def test_of_very_large_frames_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.streams.inbox.READ_AHEAD_BYTES", 1)
    source = GreyFrames(range(50))
    with feed_of(source) as feed:
        assert feed.take().index == 0
    assert source.position <= 1 + 1 + 1  # taken, waiting, in the reader's hand


def test_leaving_early_stops_the_threads() -> None:
    before = set(threading.enumerate())
    with feed_of(GreyFrames(range(50))) as feed:
        feed.take()
    assert not set(threading.enumerate()) - before


class Lossy(GreyFrames):
    """Loses a frame before each one that it gives."""

    def read(self) -> Frame | None:
        self.bad_frames += 1
        self.skipped.append("one frame")
        return super().read()


def test_losses_are_those_before_the_frame_that_was_taken() -> None:
    with feed_of(Lossy(range(9))) as feed:
        feed.take()
        feed.take()
        assert feed.losses == (2, 2)  # however far the source is read
        assert len(list(feed)) == 7
        assert feed.losses == (10, 10)
    assert (feed.status().offered, feed.status().drops) == (19, {DropCause.DAMAGED: 10})


class Broken(GreyFrames):
    def read(self) -> Frame | None:
        if self.position == 2:
            raise SourceError("the cable is out")
        return super().read()


def test_errors_come_after_the_frames_before_them() -> None:
    with feed_of(Broken(range(9))) as feed:
        frames = iter(feed)
        assert [next(frames).index, next(frames).index] == [0, 1]
        with pytest.raises(SourceError, match="the cable is out"):
            next(frames)
        assert feed.ended


@pytest.mark.parametrize("policy", ["every", "latest"])
def test_a_source_without_frames_is_an_error(policy: Policy) -> None:
    with feed_of(GreyFrames([]), policy=policy) as feed:
        assert feed.take() is None
    assert str(feed.error) == "grey gave no frames; check that it is not empty"


def test_a_recording_read_as_latest_plays_at_its_own_rate() -> None:
    with feed_of(GreyFrames(range(5), fps=200.0), policy="latest") as feed:
        started_s = time.monotonic()
        last = list(feed)[-1]
    assert last.index == 4
    assert time.monotonic() - started_s >= 3 / 200  # the first one may have come before the clock was read


@pytest.mark.parametrize(
    ("source", "asked", "policy"),
    [
        (GreyFrames([1]), None, "every"),
        (GreyFrames([1], live=True), None, "latest"),
        (GreyFrames([1], live=True), "every", "every"),
        (GreyFrames([1]), "latest", "latest"),
    ],
)
def test_the_policy_follows_the_source(source: Source, asked: Policy | None, policy: Policy) -> None:
    with feed_of(source, policy=asked) as feed:
        assert feed.await_source() is source
        assert feed.policy == policy

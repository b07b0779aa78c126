"""Cameras that die, hang, freeze and lie, and what their feeds make of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.errors import SourceDownError, SourceError, UsageError
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause, SourceState, SourceStatus
from edgeseg.runtime.streams.feed import Feed
from edgeseg.runtime.streams.inbox import FROZEN_S, Policy
from edgeseg.runtime.streams.opening import feed_of

from ..fakes import GreyFrames
from .cameras import PATIENCE_S, Camera, Clock, until

SOON = Backoff(first_s=0.001, most_s=0.01)
NO_ROUTE = SourceDownError("no route to the camera")
MOST_CLOSING_S = 2.5  # 2 s are promised; the rest is the machine's


class Site:
    """Gives one camera after another, or raises what stands in its place; waits where the test says so."""

    def __init__(self, cameras: Sequence[Source | Exception | Callable[[], Source]]) -> None:
        self.states: list[SourceStatus] = []
        self.opened = 0
        self._cameras = iter(cameras)

    def open(self) -> Source:
        self.opened += 1
        camera = next(self._cameras)
        if isinstance(camera, Exception):
            raise camera
        return camera if isinstance(camera, Source) else camera()

    def feed(self, **options) -> Feed:
        options.setdefault("backoff", SOON)
        return Feed("yard", self.open, on_state=self.states.append, **options)

    def seen(self) -> list[tuple[SourceState, str]]:
        return [(status.state, status.detail) for status in self.states]

    def is_seen(self, state: SourceState) -> bool:
        return bool(self.states) and self.states[-1].state is state


def live(greys: Sequence[int]) -> GreyFrames:
    return GreyFrames(greys, live=True)


def test_a_camera_that_is_down_in_the_beginning_is_waited_for() -> None:
    camera = Camera()
    site = Site([NO_ROUTE, NO_ROUTE, camera])
    with site.feed() as feed:
        assert feed.take(timeout_s=0.0) is None
        assert not feed.ended
        camera.send()
        assert feed.take(PATIENCE_S).index == 0
        until(lambda: site.is_seen(SourceState.LIVE))
        feed.stop()
        camera.end()
    assert site.seen() == [
        (SourceState.WAITING, "no route to the camera"),
        (SourceState.CONNECTING, ""),
        (SourceState.WAITING, "no route to the camera"),
        (SourceState.CONNECTING, ""),
        (SourceState.LIVE, ""),
        (SourceState.ENDED, ""),
    ]
    status = feed.status()
    assert (status.outages, status.recoveries, status.longest_outage_s) == (0, 0, 0.0)


@pytest.mark.parametrize("error", [None, SourceError("the cable is out"), OSError("input/output error")])
def test_a_camera_that_dies_is_opened_again_and_its_frames_go_on(error: Exception | None) -> None:
    first, second = Camera(), Camera()
    site = Site([first, SourceError("404 not found"), second])
    with site.feed(policy="every") as feed:
        before = []
        for _ in range(3):
            first.send()
            before.append(feed.take(PATIENCE_S))
        first.end() if error is None else first.fail(error)
        second.send()
        after = feed.take(PATIENCE_S)
        status = feed.status()
        feed.stop()
        second.end()
    assert [frame.index for frame in [*before, after]] == [0, 1, 2, 3]
    assert after.time_s >= before[-1].time_s
    assert (status.outages, status.recoveries, status.offered) == (1, 1, 4)
    assert 0 < status.longest_outage_s < PATIENCE_S
    assert first.closes >= 1
    reason = "camera stopped sending; check camera and network" if error is None else str(error)
    waits = [detail for state, detail in site.seen() if state is SourceState.WAITING]
    assert waits == [reason, "404 not found"]


def test_time_never_runs_back_and_indices_rise_whatever_the_source_says() -> None:
    class Confused(GreyFrames):
        def read(self) -> Frame | None:
            frame = super().read()
            return frame and Frame(frame.image, [7, 7, 2, 9][frame.index], [9.0, 8.0, 9.5, 1.0][frame.index])

    with Site([Confused(range(4), live=True), Camera()]).feed(policy="every") as feed:
        frames = [feed.take(PATIENCE_S) for _ in range(4)]
    assert [frame.index for frame in frames] == [7, 8, 9, 10]
    assert [frame.time_s for frame in frames] == [9.0, 9.0, 9.5, 9.5]


def test_a_silent_camera_is_stalled_and_opened_again() -> None:
    silent, second = Camera(), Camera()
    site = Site([silent, second])
    with site.feed(stall_timeout_s=0.05) as feed:
        silent.send()
        assert feed.take(PATIENCE_S).index == 0
        second.settle()  # it is open, and asked for a frame
        told = (SourceState.STALLED, "camera sent nothing for 0.05 s; check camera and network")
        assert told in site.seen()
        assert silent.closed
        silent.send()  # it wakes, and nobody wants it any more
        until(lambda: feed.status().drops.get(DropCause.OUTAGE))
        second.send()
        assert feed.take(PATIENCE_S).index == 1
        assert feed.status().recoveries == 1
        feed.stop()
        second.end()


def test_a_silent_source_of_the_callers_own_is_an_error_and_closing_does_not_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgeseg.runtime.streams.feed.CLOSE_TIMEOUT_S", 0.05)
    camera = Camera()
    with feed_of(camera, stall_timeout_s=0.05) as feed:
        assert feed.take(PATIENCE_S) is None
    assert str(feed.error) == "camera sent nothing for 0.05 s; check camera and network"
    assert not camera.closed
    camera.end()


def test_a_slow_caller_is_no_silence() -> None:
    with Site([live(range(20))]).feed(policy="every", stall_timeout_s=0.02) as feed:
        frames = []
        for _ in range(4):
            frames.append(feed.take(PATIENCE_S))
            time.sleep(0.05)
        assert feed.status().state is SourceState.LIVE
    assert [frame.index for frame in frames] == [0, 1, 2, 3]


class Gate:
    """An opening that hangs until the test lets it go."""

    def __init__(self, camera: Source) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.camera = camera

    def __call__(self) -> Source:
        self.begun.set()
        assert self.let_go.wait(PATIENCE_S)
        return self.camera


def test_an_opening_that_hangs_is_left_behind_one_at_a_time_and_closes_what_it_opened() -> None:
    first, second, third = Gate(Camera()), Gate(Camera()), Camera()
    site = Site([first, second, third])
    with site.feed(open_timeout_s=0.02) as feed:
        assert second.begun.wait(PATIENCE_S)
        until(lambda: feed.status().detail == "opening it takes longer than 0.02 s")
        time.sleep(0.1)
        assert site.opened == 2  # one is left behind, one hangs: no third
        first.let_go.set()
        third.send()
        assert feed.take(PATIENCE_S).index == 0
        assert first.camera.closed
        second.let_go.set()
        until(lambda: second.camera.closed)
        feed.stop()
        third.end()


def test_an_opening_that_takes_its_time_is_used_where_another_one_is_left_behind() -> None:
    first, second = Gate(Camera()), Gate(Camera())
    with Site([first, second]).feed(open_timeout_s=0.02) as feed:
        assert second.begun.wait(PATIENCE_S)
        until(lambda: feed.status().detail == "opening it takes longer than 0.02 s")
        second.let_go.set()
        second.camera.send()
        assert feed.take(PATIENCE_S).index == 0
        first.let_go.set()
        feed.stop()
        second.camera.end()


class HangsInClose(GreyFrames):
    def __init__(self, let_go: threading.Event) -> None:
        super().__init__([1], live=True)
        self._let_go = let_go

    def close(self) -> None:
        assert self._let_go.wait(PATIENCE_S)
        super().close()


@pytest.mark.parametrize("where", ["open", "read", "close"])
def test_stopping_never_waits_for_a_dead_camera(where: str) -> None:
    before = set(threading.enumerate())
    let_go = threading.Event()
    camera = Camera()
    gate = Gate(camera)
    source = {"open": gate, "read": camera, "close": HangsInClose(let_go)}[where]
    feed = Site([source]).feed()
    with feed:
        if where == "open":
            assert gate.begun.wait(PATIENCE_S)
        elif where == "read":
            camera.settle()
        else:
            assert feed.take(PATIENCE_S).index == 0
        started_s = time.monotonic()
    assert time.monotonic() - started_s < MOST_CLOSING_S
    assert feed.take() is None
    gate.let_go.set()
    let_go.set()
    camera.end()
    until(lambda: set(threading.enumerate()) <= before)
    assert where == "close" or camera.closed


def test_a_waiting_feed_closes_at_once() -> None:
    with Site([NO_ROUTE]).feed(backoff=Backoff(30.0, 30.0)) as feed:
        until(lambda: feed.status().state is SourceState.WAITING)
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 1.0
    assert feed.status().state is SourceState.ENDED
    assert feed.status().next_attempt_s is None


def test_what_waiting_cannot_mend_is_an_error_at_once() -> None:
    site = Site([UsageError("ftp:// is not a source")])
    with site.feed() as feed:
        with pytest.raises(UsageError, match="ftp://"):
            list(feed)
        assert feed.ended
        assert site.opened == 1


def test_a_recording_that_fails_is_not_read_again() -> None:
    class Torn(GreyFrames):
        def read(self) -> Frame | None:
            if self.position == 2:
                raise SourceError("the file is torn")
            return super().read()

    site = Site([Torn(range(9))])
    with site.feed() as feed, pytest.raises(SourceError, match="the file is torn"):
        list(feed)
    assert site.opened == 1
    assert feed.status().state is SourceState.ENDED
    assert feed.status().detail == "the file is torn"


def test_pauses_grow_and_start_again_after_a_steady_time() -> None:
    clock = Clock()
    shaky, steady = Camera(), Camera()
    pauses: list[float] = []

    def on_state(status: SourceStatus) -> None:
        if status.next_attempt_s is not None:
            pauses.append(status.next_attempt_s - clock.now_s)
            clock.now_s = status.next_attempt_s  # it does not take that long here

    cameras: list[Source | Exception] = [NO_ROUTE] * 7 + [shaky, NO_ROUTE, steady, NO_ROUTE, Camera()]
    options = {"policy": "every", "stall_timeout_s": 99.0, "on_state": on_state}
    with Feed("", Site(cameras).open, **options, clock=clock, chance=lambda: 0.0) as feed:
        for camera, seconds in ((shaky, 9.0), (steady, 10.0)):
            for _ in range(2):
                camera.send()
                assert feed.take(PATIENCE_S) is not None
                camera.settle()
                clock.now_s += seconds
            camera.end()
        until(lambda: len(pauses) == 11)
    # 7 that are down; one that comes for 9 s and goes; one more; one that was steady for 10 s; one more
    assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 15, 15, 15, 15, 0.5, 1])


def test_a_frozen_picture_is_stalled_and_its_frames_still_come() -> None:
    clock, camera = Clock(), Camera()
    site = Site([camera])
    with site.feed(clock=clock, stall_timeout_s=99.0) as feed:
        states = []
        for grey, at_s in ((9, 0.0), (9, 1.0), (9, FROZEN_S), (9, FROZEN_S + 1), (8, FROZEN_S + 2)):
            camera.settle()
            clock.now_s = at_s
            camera.send(np.full((20, 20, 3), grey, np.uint8))
            assert feed.take(PATIENCE_S) is not None
            states.append(feed.status().state)
        until(lambda: site.is_seen(SourceState.LIVE))
        feed.stop()
        camera.end()
    assert states == [SourceState.LIVE] * 3 + [SourceState.STALLED, SourceState.LIVE]
    assert (SourceState.STALLED, "it shows the same picture for more than 30 s") in site.seen()
    assert feed.status().outages == 0


def test_damaged_frames_changed_sizes_and_clocks_are_told() -> None:
    class Odd(Source):
        name, live = "odd", True

        def read(self) -> Frame | None:
            self.bad_frames += 2
            index = self.bad_frames // 2 - 1
            if index == 4:
                return None
            size = 8 if index < 2 else 16
            media_s = [0.0, 0.1, 500.0, 0.3][index]
            return Frame(np.zeros((size, 8, 3), np.uint8), 3 * index, time.monotonic(), media_s=media_s)

    with feed_of(Odd(), policy="every") as feed:
        frames = [feed.take(PATIENCE_S) for _ in range(4)]
        assert feed.take(PATIENCE_S) is None
    status = feed.status()
    assert [frame.media_s for frame in frames] == [0.0, 0.1, 500.0, 0.3]
    assert (status.offered, status.drops) == (14, {DropCause.DAMAGED: 10})
    assert status.frame_hw == (16, 8)
    assert status.notes == (
        "the clock of odd jumped 2 times, last by -499.70 s at frame 9",
        "the frames of odd changed their size, last from 8x8 to 8x16 at frame 6",
    )
    assert feed.losses.bad_frames == 10


def test_one_dead_camera_never_slows_another() -> None:
    gate = Gate(Camera())
    with Site([gate]).feed() as dead, Site([live(range(200)), Camera()]).feed(policy="every") as alive:
        assert [alive.take(PATIENCE_S).index for _ in range(200)] == list(range(200))
        assert dead.poll() is None
        dead.stop()
        gate.let_go.set()


def test_whoever_polls_is_told_of_frames_and_of_the_end() -> None:
    told = threading.Semaphore(0)
    frames: list[Frame] = []
    with feed_of(GreyFrames(range(5)), on_frame=told.release) as feed:
        while not feed.ended:
            assert told.acquire(timeout=PATIENCE_S)
            while (frame := feed.poll()) is not None:
                frames.append(frame)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]


def test_an_error_of_the_caller_ends_the_feed_and_is_told() -> None:
    def on_state(_: SourceStatus) -> None:
        raise ValueError("no such label")

    with Feed("", lambda: live([1]), on_state=on_state) as feed, pytest.raises(ValueError, match="no such"):
        list(feed)
    assert feed.ended


class Descriptor(GreyFrames):
    """A camera that holds a file open."""

    def __init__(self, path: Path) -> None:
        super().__init__([1, 2], live=True)
        self._file = path.open("rb")

    def close(self) -> None:
        self._file.close()
        super().close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors where Linux lists them")
def test_after_50_reconnections_there_are_as_many_threads_and_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.touch()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    opened: list[int] = []

    def open_source() -> Source:
        opened.append(1)
        return Descriptor(path)

    with Feed("", open_source, backoff=SOON) as feed:
        until(lambda: feed.status().recoveries >= 50)
        assert threading.active_count() <= threads + 2
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 1
    assert len(opened) >= 51
    assert threading.active_count() <= threads  # one of a test before may end meanwhile
    assert len(os.listdir("/proc/self/fd")) <= descriptors


class Scripted(Source):
    """Does with each frame what its script says: g(ood), b(ad and then good), e(rror)."""

    name, live = "scripted", True

    def __init__(self, script: str) -> None:
        super().__init__()
        self._script = iter(script)
        self._position = 0

    def read(self) -> Frame | None:
        step = next(self._script, None)
        if step is None:
            return None
        if step == "e":
            raise SourceError("broken")
        self.bad_frames += step == "b"
        self._position += 1
        return Frame(np.zeros((2, 2, 3), np.uint8), self._position - 1, time.monotonic())


@settings(max_examples=60, deadline=None)
@given(
    scripts=st.lists(st.text("gggbe", max_size=12), min_size=1, max_size=5),
    policy=st.sampled_from(["every", "latest"]),
    takes=st.integers(0, 40),
    polls=st.booleans(),
    expects_s=st.sampled_from([0.0, 0.001]),
)
def test_what_is_taken_waits_or_was_dropped_is_what_was_offered(
    scripts: list[str], policy: Policy, takes: int, polls: bool, expects_s: float
) -> None:
    cameras = [Scripted(script) for script in scripts]
    over = threading.Event()

    def open_source() -> Source:
        if not cameras:
            over.set()
            raise NO_ROUTE
        return cameras.pop(0)

    taken: list[Frame] = []
    with Feed("", open_source, policy=policy, backoff=Backoff(1e-6, 1e-5)) as feed:
        while len(taken) < takes and not (over.is_set() and feed.status().waiting == 0):
            feed.expect(time.monotonic() + expects_s, DropCause.SHED)
            frame = feed.poll() if polls else feed.take(0.001)
            if frame is not None:
                taken.append(frame)
            status = feed.status()
            assert status.offered == len(taken) + status.waiting + sum(status.drops.values())
    status = feed.status()
    assert status.offered == len(taken) + status.waiting + sum(status.drops.values())
    indices = [frame.index for frame in taken]
    assert indices == sorted(set(indices))
    if over.is_set():
        reads = [script.partition("e")[0] for script in scripts]
        assert status.offered == sum(len(read) + read.count("b") for read in reads)
    if policy == "every":
        assert status.drops.keys() <= {DropCause.DAMAGED, DropCause.STOPPED}
        # the one that was being read when the feed was closed
        assert status.drops.get(DropCause.STOPPED, 0) <= (0 if over.is_set() else 1)

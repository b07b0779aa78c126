from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import SinkError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.delivery import CLOSE_S, Delivery
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.worker import LIVE_ROOM
from edgeseg.runtime.status import SinkState

from .fakes import SEMANTIC

RESULT = SemanticResult(np.zeros((8, 8), np.uint8))
SOON = Backoff(0.01, 0.02)
DEADLINE_S = 30.0  # for what takes milliseconds where nothing else runs


class Kept(Sink):
    """Keeps the index of each frame and its overlay; does first what the test asks for."""

    def __init__(
        self, name: str = "kept", *, first: Callable[[int], None] = lambda _: None, overlay: bool = False
    ) -> None:
        self.path = Path(name)
        self.needs_overlay = overlay
        self.indices: list[int] = []
        self.overlays: list[np.ndarray | None] = []
        self.closed = False
        self._first = first

    def write(self, frame, result, overlay) -> None:
        self._first(frame.index)
        self.indices.append(frame.index)
        self.overlays.append(overlay)

    def close(self) -> None:
        self.closed = True


class Hanging(Kept):
    """Hangs in its first write until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        super().__init__("hanging", first=self._hang)

    def _hang(self, index: int) -> None:
        self.begun.set()
        self.let_go.wait(DEADLINE_S)


def delivery(*sinks: Sink, lossless: bool = False) -> Delivery:
    return Delivery(sinks, SEMANTIC, StageTimes(), lossless=lossless, backoff=SOON)


def frame(index: int) -> Frame:
    return Frame(np.zeros((8, 8, 3), np.uint8), index, 0.0)


def until(happens: Callable[[], object]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not happens():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def test_without_loss_every_sink_gets_every_result_in_order_and_the_slowest_sets_the_pace() -> None:
    quick, slow = Kept(), Kept(first=lambda _: time.sleep(0.002))
    with delivery(quick, slow, lossless=True) as handed:
        for index in range(50):
            handed.put(frame(index), RESULT)
            assert index - len(slow.indices) <= 2  # one in work, one that waits, and this one
    assert quick.indices == slow.indices == list(range(50))
    assert [(one.written, one.dropped, one.state) for one in handed.status()] == [(50, 0, "closed")] * 2


def test_the_overlay_is_drawn_once_a_frame_and_only_where_it_is_wanted() -> None:
    sinks, times = [Kept(overlay=True), Kept(overlay=True), Kept()], StageTimes()
    with Delivery(sinks, SEMANTIC, times) as handed:
        for index in range(5):
            handed.put(frame(index), RESULT)
    for one, other in zip(sinks[0].overlays, sinks[1].overlays, strict=True):
        assert one is not None
        assert one is other
    assert sinks[2].overlays == [None] * 5
    assert times.summaries()["render"].samples == 5
    assert times.summaries()["sink"].samples == 15


def test_where_no_overlay_is_drawn_sinks_get_the_plain_picture() -> None:
    plain, drawn = Kept(), Kept(overlay=True)
    with delivery(plain, drawn, lossless=True) as sinks:
        assert not sinks.wants_overlay
        sinks.put(frame(0), RESULT)
        until(lambda: drawn.indices)
        assert sinks.wants_overlay
        sinks.overlay = False
        picture = frame(1)
        sinks.put(picture, RESULT)
    assert (plain.overlays, drawn.indices) == ([None, None], [0, 1])
    assert drawn.overlays[0] is not picture.image
    assert drawn.overlays[1] is picture.image


def test_without_loss_the_first_failure_is_raised_and_the_others_write_what_they_were_given() -> None:
    def fail_at_two(index: int) -> None:
        if index == 2:
            raise SinkError("the disk is full")

    good, bad = Kept(), Kept(first=fail_at_two)
    handed = delivery(bad, good, lossless=True)
    given: list[int] = []

    def hand_over() -> None:
        with handed:
            for index in range(100):
                handed.put(frame(index), RESULT)
                given.append(index)

    with pytest.raises(SinkError, match="the disk is full"):
        hand_over()
    assert bad.indices == [0, 1]
    assert good.indices == given
    assert len(given) < 100
    assert good.closed
    assert bad.closed


def test_a_sink_that_hangs_stops_neither_the_stream_nor_the_other_sinks_nor_the_end() -> None:
    hanging, good = Hanging(), Kept()
    handed = delivery(hanging, good)
    with handed:
        for index in range(200):
            handed.put(frame(index), RESULT)
            hanging.begun.wait(DEADLINE_S)
            until(lambda: len(good.indices) > index)  # noqa: B023 - called before the next round
        hung = handed.status()[0]
        ended_s = time.monotonic()
    took_s = time.monotonic() - ended_s
    assert hung.waiting == LIVE_ROOM
    assert hung.dropped == 200 - 1 - LIVE_ROOM
    assert good.indices == list(range(200))
    assert good.closed
    assert CLOSE_S <= took_s < CLOSE_S + 5.0  # it waits for no more than it says, however busy the machine
    left = handed.status()[0]
    assert (left.state, left.written, left.dropped, left.waiting) == (SinkState.FAILING, 0, 199, 0)
    assert left.error == "hanging did not close in time and is left behind"
    assert handed.notes() == ("hanging: 199 results are missing; " + left.error,)
    hanging.let_go.set()
    until(lambda: hanging.closed)  # and then it is closed after all
    assert hanging.indices == [0]


def test_a_sink_that_hangs_is_reported_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sinks.worker.HANGS_S", 0.01)
    hanging = Hanging()
    with delivery(hanging) as handed:
        handed.put(frame(0), RESULT)
        until(lambda: handed.status()[0].state is SinkState.FAILING)
        assert handed.status()[0].error.startswith("hanging has been writing one result for ")
        hanging.let_go.set()
        until(lambda: handed.status()[0].state is SinkState.OPEN)
    assert handed.status()[0].written == 1


def test_ctrl_c_ends_a_run_that_waits_for_a_sink_that_hangs() -> None:
    hanging = Hanging()
    handed = delivery(hanging, lossless=True)
    began_s = time.monotonic()

    def interrupted() -> None:
        with handed:
            handed.put(frame(0), RESULT)
            hanging.begun.wait(DEADLINE_S)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began_s < CLOSE_S + 5.0
    assert "left behind" in str(handed.error)
    hanging.let_go.set()
    until(lambda: hanging.closed)


def test_a_sink_that_fails_for_a_while_is_tried_again_and_what_it_missed_is_counted() -> None:
    broken = threading.Event()
    broken.set()

    def refuse(_: int) -> None:
        if broken.is_set():
            raise OSError("No space left on device")

    sink = Kept("r.jsonl", first=refuse)
    with delivery(sink) as handed:
        put = 0
        while handed.status()[0].retries < 3:
            handed.put(frame(put), RESULT)
            put += 1
            time.sleep(0.001)
        failing = handed.status()[0]
        assert (failing.state, failing.error) == (SinkState.FAILING, "No space left on device")
        broken.clear()
        until(lambda: handed.status()[0].state is SinkState.OPEN)
        handed.put(frame(put), RESULT)
    after = handed.status()[0]
    assert after.written + after.dropped == put + 1
    assert after.written == len(sink.indices)
    assert sink.indices[-1] == put
    assert after.state is SinkState.CLOSED


def test_an_error_nobody_thought_of_is_one_line_and_stops_nothing() -> None:
    def fail(_: int) -> None:
        raise KeyError("two\nlines")

    bad, good = Kept(first=fail), Kept()
    with delivery(bad, good) as handed:
        handed.put(frame(0), RESULT)
        until(lambda: handed.status()[0].dropped)
    assert "\n" not in handed.status()[0].error
    assert good.indices == [0]


def test_what_a_sink_says_of_itself_counts() -> None:
    sink = Kept()
    sink.trouble, sink.lost = "the broker is gone", 7
    with delivery(sink) as handed:
        status = handed.status()[0]
    assert (status.state, status.error, status.dropped) == (SinkState.FAILING, "the broker is gone", 7)


def test_the_end_is_written_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    sink = Kept(first=lambda _: time.sleep(0.01))
    with delivery(sink) as handed:
        for index in range(LIVE_ROOM):
            handed.put(frame(index), RESULT)
    assert sink.indices == list(range(LIVE_ROOM))
    assert set(threading.enumerate()) <= before

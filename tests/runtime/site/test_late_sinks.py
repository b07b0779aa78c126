from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgeseg.errors import SinkError
from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.site.late_sinks import LateSink, Once
from tests.runtime.fakes import GreyFrames, two_animals


class Taker(Sink):
    path = Path("taker")
    needs_overlay = True
    notes = ("a note",)
    lost = 3

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.closed = False

    def write(self, frame: Frame, result: Result, overlay: object) -> None:
        self.taken.append(frame.index)

    def close(self) -> None:
        self.closed = True


def frames() -> list[Frame]:
    return list(GreyFrames(range(2)))


def test_it_opens_at_the_first_result_and_then_is_that_sink() -> None:
    taker, opened = Taker(), []
    sink = LateSink("late", lambda: opened.append(1) or taker)  # type: ignore[func-returns-value]
    assert (sink.name, sink.notes, sink.lost, opened) == ("late", (), 0, [])
    for frame in frames():
        assert sink.needs_overlay
        sink.write(frame, two_animals(), None)
    sink.close()
    assert (taker.taken, taker.closed, opened) == ([0, 1], True, [1])
    assert (sink.name, sink.notes, sink.lost) == ("taker", ("a note",), 3)


def test_without_a_result_nothing_is_opened() -> None:
    def never() -> Sink:
        raise AssertionError

    LateSink("late", never).close()


def test_it_tries_again_to_open() -> None:
    taker, attempts = Taker(), []

    def opened() -> Sink:
        attempts.append(1)
        if len(attempts) == 1:
            raise SinkError("no such folder")
        return taker

    sink = LateSink("late", opened)
    first, second = frames()
    with pytest.raises(SinkError, match="no such folder"):
        sink.write(first, two_animals(), None)
    sink.write(second, two_animals(), None)
    assert taker.taken == [1]


def test_once_is_once_for_all_threads() -> None:
    calls: list[int] = []
    once = Once(lambda: calls.append(1))
    threads = [threading.Thread(target=once) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]

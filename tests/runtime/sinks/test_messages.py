from __future__ import annotations

import json

import numpy as np
import pytest

from edgeseg.errors import SinkError
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks import messages
from edgeseg.runtime.sinks.messages import MessageSink, RefusedError

from ..fakes import INSTANCE, two_animals


class Place:
    """Takes messages while `fault` is None, else raises it."""

    name = "place"

    def __init__(self, fault: SinkError | None = None) -> None:
        self.fault = fault
        self.indices: list[int] = []
        self.attempts = 0
        self.closed = False

    def send(self, data: bytes) -> None:
        self.attempts += 1
        if self.fault is not None:
            raise self.fault
        self.indices.append(json.loads(data)["index"])

    def close(self) -> None:
        self.closed = True


def write(sink: MessageSink, *indices: int) -> None:
    for index in indices:
        sink.write(Frame(np.zeros((6, 8, 3), np.uint8), index, 0.0), two_animals())


def test_what_waited_goes_in_order_when_the_place_is_back() -> None:
    place = Place(SinkError("away"))
    sink = MessageSink(place, INSTANCE, backoff=Backoff(1e-6, 1e-6))
    write(sink, 0, 1, 2)
    assert sink.trouble == "away"
    place.fault = None
    write(sink, 3)
    assert place.indices == [0, 1, 2, 3]
    assert (sink.trouble, sink.lost) == ("", 0)
    sink.close()
    assert place.closed


def test_a_place_that_is_away_is_not_asked_again_before_its_pause_is_over() -> None:
    place = Place(SinkError("away"))
    sink = MessageSink(place, INSTANCE, backoff=Backoff(1000.0, 1000.0))
    write(sink, *range(20))
    assert place.attempts == 1


def test_of_too_many_messages_the_oldest_go_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MOST_WAITING", 3)
    place = Place(SinkError("away"))
    sink = MessageSink(place, INSTANCE)
    write(sink, *range(10))
    assert sink.lost == 7
    place.fault = None
    with pytest.raises(SinkError, match="7 results did not get to place"):
        sink.close()
    assert place.indices == [7, 8, 9]
    sink.close()


def test_what_is_refused_is_not_sent_again() -> None:
    place = Place(RefusedError("answers 404"))
    sink = MessageSink(place, INSTANCE)
    write(sink, 0, 1)
    assert (place.attempts, sink.lost, sink.trouble) == (2, 2, "answers 404")
    place.fault = None
    write(sink, 2)
    assert place.indices == [2]


def test_what_is_not_there_in_the_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "FINISH_S", 0.0)
    sink = MessageSink(Place(SinkError("away")), INSTANCE)
    write(sink, 0)
    with pytest.raises(SinkError, match="1 results did not get to place; away"):
        sink.close()

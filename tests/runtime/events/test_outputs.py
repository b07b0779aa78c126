"""Events get to where they go, later if they must, and never hold a stream up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.errors import SinkError, UsageError
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.events.event import Event, wall_time
from edgeseg.runtime.events.outputs import MOST_WAITING, EventFile, EventOutput, EventOutputs

DEADLINE_S = 30.0
QUICK = Backoff(0.001, 0.002)


def event(index: int = 0) -> Event:
    return Event("gate", "door", "person", "begin", "area", 0.25, 0.1, wall_time(0.0), 2.0, index)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


class Place:
    """Takes lines, or refuses them while it is down, or hangs until it may go on."""

    def __init__(self, *, down: int = 0, hangs: bool = False) -> None:
        self.lines: list[int] = []
        self.attempts = 0
        self.closed = False
        self.go_on = threading.Event()
        self._down = down
        if not hangs:
            self.go_on.set()

    def send(self, line: bytes) -> None:
        self.go_on.wait(DEADLINE_S)
        self.attempts += 1
        if self.attempts <= self._down:
            raise SinkError("nobody there")
        self.lines.append(json.loads(line)["index"])

    def close(self) -> None:
        self.closed = True


def test_events_are_tried_again_until_they_are_there_in_their_order() -> None:
    place = Place(down=5)
    output = EventOutput("place", place, backoff=QUICK)
    for index in range(3):
        output.put(event(index))
    wait_for(lambda: output.sent == 3)
    assert place.lines == [0, 1, 2]
    assert (output.lost, output.trouble) == (0, "")
    output.end()
    output.wait(DEADLINE_S)
    assert place.closed


def test_a_place_that_hangs_holds_nobody_up_and_loses_the_oldest() -> None:
    place = Place(hangs=True)
    output = EventOutput("place", place, backoff=QUICK)
    for index in range(MOST_WAITING + 10):
        output.put(event(index))
    assert output.lost == 10
    place.go_on.set()
    output.end()
    output.wait(DEADLINE_S)
    assert place.lines[-1] == MOST_WAITING + 9
    assert place.lines == sorted(set(place.lines))


def test_the_end_does_not_wait_for_a_place_that_is_away() -> None:
    place = Place(down=10**9)
    output = EventOutput("place", place, backoff=Backoff(60.0, 60.0))
    output.put(event())
    wait_for(lambda: output.trouble == "nobody there")
    output.end()
    output.wait(DEADLINE_S)
    assert place.closed
    assert output.lost == 1
    assert place.attempts == 2  # once more in the end


def test_zones_share_a_place_until_the_last_of_them_is_gone() -> None:
    place = Place()
    outputs = EventOutputs(lambda text: (text, place))
    with outputs:
        first, second = outputs.take("a"), outputs.take("a")
        assert first is second
        outputs.release("a")
        first.put(event(7))
        assert not place.closed
        outputs.release("a")
        assert place.lines == [7]
        assert place.closed


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("{}\n")
    with EventOutputs() as outputs:
        outputs.take(str(path)).put(event())
    before, line = path.read_text().splitlines()
    assert before == "{}"
    assert json.loads(line) == {
        "stream": "gate",
        "zone": "door",
        "class_name": "person",
        "kind": "begin",
        "measure": "area",
        "value": 0.25,
        "threshold": 0.1,
        "time": "1970-01-01T00:00:00.000Z",
        "duration_s": 2.0,
        "index": 0,
        "media_s": None,
    }


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"missing"):
        EventFile(tmp_path / "missing" / "events.jsonl").send(b"{}")


@pytest.mark.parametrize("text", ["", "events", "events.txt", "folder.jsonl/"])
def test_other_places_are_refused(text: str) -> None:
    with EventOutputs() as outputs, pytest.raises(UsageError, match="is no place for events"):
        outputs.take(text)

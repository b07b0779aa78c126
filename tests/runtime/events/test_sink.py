"""Results of a stream become events with the stream's name, the value and the times."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.events.outputs import EventOutputs
from edgeseg.runtime.events.sink import ZoneSink
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.settings import ZoneSettings
from tests.runtime.fakes import SEMANTIC

ZONE = ZoneSettings("door", "bright", above=0.4, for_s=0.5)
FPS = 10


def write(sink: ZoneSink, fractions: list[float]) -> None:
    """Ten frames a second, of which this part is of the class."""
    for index, fraction in enumerate(fractions):
        labels = np.zeros((10, 10), np.uint8)
        labels[: round(fraction * 10)] = 1
        frame = Frame(np.zeros((10, 10, 3), np.uint8), index, time_s=0.0, media_s=5.0 + index / FPS)
        sink.write(frame, SemanticResult(labels))


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_recording_gives_events_by_its_own_clock(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    zone = dataclasses.replace(ZONE, outputs=(str(path),))
    with EventOutputs() as outputs:
        sink = ZoneSink("gate", (zone,), SEMANTIC, outputs)
        write(sink, [0.0] * 3 + [0.6] * 10 + [0.1] * 10)
        sink.close()
    begin, end = events(path)
    assert (begin["stream"], begin["zone"], begin["kind"]) == ("gate", "door", "begin")
    assert (begin["index"], begin["media_s"]) == (8, 5.8)  # above since frame 3
    assert (begin["value"], begin["threshold"], begin["duration_s"]) == (0.6, 0.4, 0.5)
    assert (end["kind"], end["index"], end["value"], end["duration_s"]) == ("end", 18, 0.1, 0.9)


def test_an_event_ends_with_its_stream(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    zone = dataclasses.replace(ZONE, for_s=0.0, outputs=(str(path),))
    with EventOutputs() as outputs:
        sink = ZoneSink("gate", (zone,), SEMANTIC, outputs)
        write(sink, [0.6, 0.6])
        sink.close()
        sink.close()
    begin, end = events(path)
    assert (begin["kind"], end["kind"], end["index"], end["duration_s"]) == ("begin", "end", None, 0.1)


def test_places_are_filled_in_and_their_trouble_is_the_sink_s(tmp_path: Path) -> None:
    zone = dataclasses.replace(ZONE, for_s=0.0, outputs=("${FOLDER}/events.jsonl",))
    with EventOutputs() as outputs:
        sink = ZoneSink(
            "gate",
            (zone,),
            SEMANTIC,
            outputs,
            fill=lambda text: text.replace("${FOLDER}", f"{tmp_path}/none"),
        )
        write(sink, [0.6])
        sink.close()
    assert sink.name == "zones"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_leaves_the_others_given_back(tmp_path: Path) -> None:
    zone = dataclasses.replace(ZONE, outputs=(f"{tmp_path}/events.jsonl", "nowhere"))
    with EventOutputs() as outputs:
        with pytest.raises(UsageError, match="no place for events"):
            ZoneSink("gate", (zone,), SEMANTIC, outputs)
        assert outputs.places == ()

"""What cameras take is measured, and shared by the work that each had done."""

from __future__ import annotations

import time

import pytest

from edgeseg.cluster.load import MOST_TIMES, Meter, shared
from edgeseg.cores import usable_cores
from edgeseg.runtime.profiling.timing import Summary
from edgeseg.runtime.status import DropCause, SourceState, SourceStatus, StreamStatus


def camera(name: str, results: int, stage_ms: float, busy: int = 0) -> StreamStatus:
    source = SourceStatus(name, SourceState.LIVE, drops={DropCause.BUSY: busy})
    return StreamStatus(name, source, results, stages={"infer": Summary(stage_ms, stage_ms, stage_ms, 1)})


def test_cores_are_shared_by_the_time_of_the_stages() -> None:
    before = {"one": camera("one", 100, 10.0)}
    now = [camera("one", 110, 10.0), camera("two", 10, 30.0), camera("down", 0, 0.0)]
    assert shared(2.0, before, now) == {"one": 0.5, "two": 1.5, "down": 0.0}
    assert shared(2.0, {}, []) == {}


def test_a_camera_that_loses_frames_wants_more() -> None:
    before = {"one": camera("one", 100, 10.0, busy=50)}
    assert shared(1.0, before, [camera("one", 110, 10.0, busy=60)]) == {"one": 2.0}
    assert shared(1.0, before, [camera("one", 101, 10.0, busy=950)]) == {"one": MOST_TIMES}


def test_a_node_offers_what_is_idle_or_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.cluster.load.SHORTEST_S", 0.3)
    meter = Meter(1.0)
    assert meter.load.cores == 1.0
    meter.measure([camera("one", 0, 10.0)])
    end_s = time.monotonic() + 0.4
    while time.monotonic() < end_s:
        pass
    meter.measure([camera("one", 5, 10.0)])
    assert 0 < meter.load.used <= usable_cores() + 0.5
    assert meter.load.used <= max(meter.load.cores, 1.0) + 0.5
    assert meter.load.cameras["one"] == pytest.approx(meter.load.used)

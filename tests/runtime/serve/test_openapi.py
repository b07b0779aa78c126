from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.request import urlopen

import numpy as np
import pytest

from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.serve import app
from edgeseg.runtime.serve.app import Served
from edgeseg.runtime.serve.live import LiveSink
from edgeseg.runtime.serve.openapi import document
from edgeseg.runtime.serve.server import Server
from edgeseg.runtime.status import SourceState, SourceStatus, StreamStatus

from ..fakes import SEMANTIC

for needed in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="needs the extra serve")
STREAMS = tuple(StreamStatus(name, SourceStatus(name, SourceState.LIVE)) for name in ("gate", "yard"))


def _write(view: LiveSink, index: int) -> None:
    frame = Frame(np.zeros((8, 8, 3), np.uint8), index, float(index))
    view.write(frame, SemanticResult(np.zeros((8, 8), np.uint8)), None)


@pytest.fixture
def views() -> dict[str, LiveSink]:
    """Give two streams with a result each."""
    views = {name: LiveSink() for name in ("gate", "yard")}
    for view in views.values():
        _write(view, 0)
    return views


@pytest.fixture
def address(views: dict[str, LiveSink]) -> Iterator[str]:
    """Serve a site with these streams."""
    with Server(Served(SEMANTIC, lambda: STREAMS, lambda: views), port=0, tell=lambda line: None) as server:
        yield server.address.rstrip("/")


def _get(url: str) -> tuple[int, str, bytes]:
    """Give status, type and content."""
    with urlopen(url, timeout=20.0) as answer:
        return answer.status, answer.headers.get_content_type(), answer.read()


def test_every_path_that_is_described_is_answered(address: str) -> None:
    for path, described in document()["paths"].items():
        status, kind, _ = _get(address + path.replace("{name}", "gate"))
        assert (status, [kind]) == (200, list(described["get"]["responses"]["200"]["content"])), path


def test_one_request_waits_for_the_results_of_all_streams(
    address: str, views: dict[str, LiveSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LONGEST_WAIT_S", 0.3)
    assert set(json.loads(_get(f"{address}/api/results")[2])) == {"gate", "yard"}
    assert _get(f"{address}/api/results?gate=1&yard=1")[0] == 204
    _write(views["yard"], 1)
    assert set(json.loads(_get(f"{address}/api/results?gate=1&yard=1")[2])) == {"yard"}


def test_a_stream_that_began_anew_is_not_taken_for_known(address: str) -> None:
    assert json.loads(_get(f"{address}/api/results?gate=500&yard=1")[2])["gate"]["number"] == 1
    assert json.loads(_get(f"{address}/api/streams/gate/result?after=500")[2])["number"] == 1


def test_who_follows_a_stream_that_ended_waits_as_long_as_for_others(
    address: str, views: dict[str, LiveSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LONGEST_WAIT_S", 0.3)
    views["gate"].close()
    began_s = time.monotonic()
    assert _get(f"{address}/api/streams/gate/result?after=1")[0] == 204
    assert time.monotonic() - began_s >= 0.3

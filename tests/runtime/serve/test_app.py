from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from edgeseg.runtime.serve import live
from edgeseg.runtime.serve.app import STATUS_S, Served, application
from edgeseg.runtime.serve.live import LiveSink
from edgeseg.runtime.serve.openapi import document
from edgeseg.runtime.status import StreamStatus

from .sites import CLASSES, GATE, YARD, semantic_frame, site

pytest.importorskip("prometheus_client", reason="needs the extra serve")


def _client(served: Served | None = None) -> Any:
    client = pytest.importorskip("starlette.testclient", reason="needs starlette and httpx")
    return client.TestClient(application(served or site()))


def test_streams_say_how_they_are_doing_in_seconds_from_now() -> None:
    gate, yard = _client().get("/api/streams").json()
    assert (gate["name"], gate["results"], gate["source"]["drops"]) == ("gate", 10, {"busy": 2})
    assert gate["sinks"][0]["error"] == "the disk is full"
    assert (yard["source"]["state"], yard["source"]["detail"]) == ("waiting", "cannot open it")
    assert yard["source"]["for_s"] >= 0
    assert _client().get("/api/streams/roof").status_code == 404


def test_one_status_does_for_all_clients_of_the_same_moment() -> None:
    asked: list[int] = []

    def status() -> tuple[StreamStatus, ...]:
        asked.append(0)
        return (GATE, YARD)

    client = _client(Served(CLASSES, status, dict))
    began_s = time.monotonic()
    for path in ("/api/streams", "/metrics", "/api/streams/gate") * 2:
        assert client.get(path).status_code == 200
    assert len(asked) <= 1 + (time.monotonic() - began_s) // STATUS_S


def test_pictures_are_encoded_in_one_thread_and_once_for_all_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[str] = []

    def encode(*given: Any) -> Any:
        threads.append(threading.current_thread().name)
        return imencode(*given)

    imencode = live.cv2.imencode
    monkeypatch.setattr(live.cv2, "imencode", encode)
    client = _client()
    for path in ("picture.jpg", "labels.png", "picture.jpg", "labels.png"):
        assert client.get(f"/api/streams/gate/{path}").status_code == 200
    assert threads == ["edgeseg-page-encoder_0"] * 2


def test_a_result_its_picture_and_its_label_map_belong_together() -> None:
    client = _client()
    result = client.get("/api/streams/gate/result").json()
    assert (result["number"], result["index"], result["width"], result["height"]) == (1, 0, 64, 48)
    picture = client.get("/api/streams/gate/picture.jpg", params={"number": 1})
    labels = client.get("/api/streams/gate/labels.png", params={"number": 1})
    assert (picture.headers["content-type"], picture.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert (labels.headers["content-type"], labels.content[1:4]) == ("image/png", b"PNG")


def test_a_picture_that_is_gone_is_not_replaced_by_another() -> None:
    assert _client().get("/api/streams/gate/picture.jpg", params={"number": 99}).status_code == 404
    assert _client().get("/api/streams/yard/picture.jpg").status_code == 404  # none yet


def test_who_has_the_newest_result_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.serve.app.LONGEST_WAIT_S", 0.1)
    view = LiveSink()
    client = _client(site({"gate": view}))
    view.write(*semantic_frame(0, 1), None)
    assert client.get("/api/streams/gate/result", params={"after": 1}).status_code == 204
    view.write(*semantic_frame(1, 1), None)
    assert client.get("/api/streams/gate/result", params={"after": 1}).json()["index"] == 1


@pytest.mark.parametrize("after", ["-1", "x", "9" * 400, "1e9", "²"])
def test_an_odd_number_stands_for_none(after: str) -> None:
    assert _client().get("/api/streams/gate/result", params={"after": after}).json()["number"] == 1


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/guard.py", "", "page.html"])
def test_files_beside_the_page_are_not_served(name: str) -> None:
    assert _client().get(f"/assets/{name}").status_code == 404


def test_health_says_when_results_no_longer_come() -> None:
    assert _client().get("/healthz").status_code == 200
    stuck = site()
    stuck.alive = lambda: False
    assert _client(stuck).get("/healthz").status_code == 503


def test_every_path_for_programs_is_described() -> None:
    described = set(document()["paths"])
    routes = {route.path for route in application(site()).routes}
    assert described == routes - {"/", "/assets/{name}", "/api/openapi.json"}
    assert json.dumps(_client().get("/api/openapi.json").json()) == json.dumps(document())

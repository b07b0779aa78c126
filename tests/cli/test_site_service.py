"""A site as a service: what its manager is told, events to real servers, another engine, and a quick end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import pytest

from tests.cli.sites import STARTED_S, TWO, count, running, wait_for, written
from tests.runtime.tiny_models import labels_engine
from tests.servers.broker import Broker
from tests.servers.mjpeg import MjpegServer

pytest.importorskip("pydantic", reason="the extra `streams` is not installed")
pytestmark = pytest.mark.usefixtures("children_hear_signals")

ZONES = """engine = "engine"
[[streams]]
name = "one"
source = "synthetic:64x48?frames=5"
[[streams.zones]]
name = "door"
class_name = "dark"
outputs = {outputs}
[[streams]]
name = "two"
source = "synthetic:64x48"
[[streams.zones]]
name = "never"
class_name = "dark"
above = 1.0
outputs = {outputs}
"""


class Manager:
    """Hears what services say by the protocol of sd_notify(3)."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0.05)
        name = f"edgeseg-test-{os.getpid()}-{time.monotonic_ns()}"
        self._socket.bind(f"\0{name}")
        self.variables = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "2000000"}

    def said(self, text: str, *, after: int = 0) -> int:
        """Count the messages with a text among those after the first so many."""
        try:
            while True:
                self.heard.append(self._socket.recv(4096).decode())
        except TimeoutError:
            return sum(text in message for message in self.heard[after:])

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: Any) -> None:
        self._socket.close()


def test_a_manager_is_told_of_the_start_the_watchdog_a_reload_and_the_end(
    engine: Path, tmp_path: Path
) -> None:
    config = written(tmp_path, TWO)
    with Manager() as manager, running(config, tmp_path / "said.txt", manager.variables) as process:
        wait_for(lambda: manager.said("WATCHDOG=1") >= 2)
        wait_for(lambda: manager.said("STATUS=one live, two live") >= 1)
        assert manager.heard[0] == "READY=1"
        before = len(manager.heard)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: manager.said("READY=1", after=before) == 1)
        reload = [text for text in manager.heard[before:] if "READY=1" in text or "RELOADING=1" in text]
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", reload[0])
        assert reload[1:] == ["READY=1"]
        before = len(manager.heard)
        wait_for(lambda: manager.said("WATCHDOG=1", after=before) >= 1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STARTED_S)
        assert manager.said("STOPPING=1") == 1
        assert manager.heard[-1] == "STOPPING=1"


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        posts: list[bytes] = self.server.posts  # type: ignore[attr-defined]
        posts.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def web_server() -> Iterator[tuple[str, list[bytes]]]:
    """Give the address of a web server, and what is posted there."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hook) as server:
        server.posts = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/events", server.posts  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def subscribed(port: int) -> Iterator[list[bytes]]:
    """Give the events that a broker publishes from now on."""
    mqtt = pytest.importorskip("paho.mqtt.client", reason="the extra `streams` is not installed")
    heard: list[bytes] = []
    is_subscribed = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe("site/gate/events", qos=1)
    client.on_subscribe = lambda *_: is_subscribed.set()
    client.on_message = lambda _, __, message: heard.append(message.payload)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert is_subscribed.wait(STARTED_S)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def test_events_of_a_zone_reach_a_broker_and_a_web_server(engine: Path, tmp_path: Path) -> None:
    with Broker(tmp_path) as broker, web_server() as (address, posts), subscribed(broker.port) as heard:
        outputs = json.dumps([f"mqtt://127.0.0.1:{broker.port}/site/gate?qos=1", address])
        config = written(tmp_path, ZONES.format(outputs=outputs))
        with running(config, tmp_path / "said.txt") as process:
            wait_for(lambda: len(heard) >= 2 and len(posts) >= 2)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=STARTED_S)
    assert heard == posts
    begin, end = map(json.loads, posts)
    assert (begin["stream"], begin["zone"], begin["kind"], begin["index"]) == ("one", "door", "begin", 0)
    assert begin["value"] > begin["threshold"] == 0.0
    assert (end["stream"], end["zone"], end["kind"]) == ("one", "door", "end")


def test_another_engine_takes_over_once_it_can_be_opened(engine: Path, tmp_path: Path) -> None:
    labels_engine(tmp_path / "other", (64, 96))
    one, two, three = (tmp_path / f"{name}.jsonl" for name in ("one", "two", "three"))
    config = written(tmp_path, TWO)
    said = tmp_path / "said.txt"
    with running(config, said) as process:
        wait_for(lambda: count(one) > 2 and count(two) > 2)
        config.write_text(TWO.replace('"engine"', '"absent"'))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "all goes on as before" in said.read_text())
        before = count(one)
        wait_for(lambda: count(one) > before + 2)
        changed = TWO.replace('"engine"', '"other"').replace("one.jsonl", "three.jsonl")
        config.write_text(changed.replace("two.jsonl", "four.jsonl"))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: count(three) > 2 and count(tmp_path / "four.jsonl") > 2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STARTED_S)
    assert "one, two started anew; another engine" in said.read_text()
    for first, second in ((one, three), (two, tmp_path / "four.jsonl")):
        for path in (first, second):
            indices = [json.loads(line)["index"] for line in path.read_text().splitlines()]
            assert indices == list(range(len(indices)))


def test_a_site_with_a_dead_camera_and_a_client_that_waits_ends_soon(engine: Path, tmp_path: Path) -> None:
    for package in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    video, said = tmp_path / "live.mp4", tmp_path / "said.txt"
    with MjpegServer(fps=20.0) as camera, socket.create_server(("127.0.0.1", 0)) as silent:
        text = f"""engine = "engine"
[[streams]]
name = "live"
source = "{camera.url()}"
outputs = ["live.mp4", "live.jsonl"]
[[streams]]
name = "dead"
source = "rtsp://127.0.0.1:{silent.getsockname()[1]}/camera"
outputs = ["dead.mp4"]
[serve]
port = 0
"""
        with running(written(tmp_path, text), said) as process:
            wait_for(lambda: "page: http://127.0.0.1:" in said.read_text())
            address = said.read_text().partition("page: ")[2].split()[0]
            wait_for(lambda: count(tmp_path / "live.jsonl") > 10)
            called, _ = silent.accept()  # the dead camera, which answers nothing
            client = threading.Thread(target=_wait_for_news, args=(address,))
            client.start()
            time.sleep(0.5)  # for its request to be under way
            asked_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=STARTED_S)
            took_s = time.monotonic() - asked_s
            client.join(STARTED_S)
            called.close()
    print(f"ended in {took_s:.2f} s")
    assert process.returncode == 130, said.read_text()
    assert "Traceback" not in said.read_text()
    assert took_s < 10.0  # 2 s on an idle machine
    assert "live: " in out
    with av.open(str(video)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    missing = re.search(r"live\.mp4: (\d+) results are missing", said.read_text())  # on a busy machine
    assert pictures + int(missing[1] if missing else 0) == count(tmp_path / "live.jsonl")
    assert not (tmp_path / "dead.mp4").exists()


def _wait_for_news(address: str) -> None:
    """Ask for a result that will not come for a long time."""
    with suppress(urllib.error.URLError, ConnectionError):  # the end may cut it off
        urllib.request.urlopen(f"{address}api/results?live=999999999", timeout=STARTED_S).close()

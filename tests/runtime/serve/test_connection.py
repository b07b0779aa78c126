from __future__ import annotations

import select
import socket
import time
from urllib.request import urlopen

import pytest

from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.serve import connection
from edgeseg.runtime.serve.app import Served
from edgeseg.runtime.serve.live import LiveSink
from edgeseg.runtime.serve.server import Server
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams
from tests.runtime.specs import labels_spec
from tests.runtime.streams.cameras import until

from ..fakes import SEMANTIC

for needed in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="needs the extra serve")
DEADLINE_S = 20.0
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: local",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
    ],
)
def test_a_client_that_was_answered_is_cut_off_when_it_ends_no_further_request(
    monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.2)
    site = Served(SEMANTIC, lambda: (), lambda: {})
    with Server(site, port=0, tell=lambda line: None) as server:
        port = int(server.address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as client:
            client.sendall(HEALTH)
            assert b" 200 " in client.recv(1000)
            client.sendall(begun)
            assert _is_cut(client)


def test_a_client_that_waits_for_results_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.02)
    site = Served(SEMANTIC, lambda: (), lambda: {})
    with Server(site, port=0, tell=lambda line: None) as server:
        port = int(server.address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as client:
            client.sendall(b"GET /api/results?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.settimeout(0.5)  # of many looks
            with pytest.raises(TimeoutError):
                client.recv(1)


def test_a_client_that_does_not_read_holds_up_no_stream() -> None:
    segment = Segmenter(FakeBackend(labels_spec((64, 96))).engine())
    view = LiveSink()
    with Streams(segment.engine) as streams:
        streams.add(Stream("gate", "synthetic:96x64", segment, [view], policy="latest"))
        site = Served(segment.spec, streams.status, lambda: {"gate": view})
        with Server(site, port=0, tell=lambda line: None) as server, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", int(server.address.rstrip("/").rpartition(":")[2])))
            _ask_until_full(client, b"GET /api/streams/gate/picture.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(3):  # in spite of it results come, and others see them
                before = streams.status()[0].results
                until(lambda before=before: streams.status()[0].results > before + 20)
                with urlopen(server.address + "api/streams/gate/picture.jpg", timeout=DEADLINE_S) as answer:
                    assert answer.read(2) == b"\xff\xd8"


def _ask_until_full(client: socket.socket, request: bytes) -> None:
    """Send requests without reading any answer, until the server takes no more."""
    deadline_s = time.monotonic() + DEADLINE_S
    left = b""
    while time.monotonic() < deadline_s:
        if not select.select([], [client], [], 1.0)[1]:
            return
        left = left or request * 100
        left = left[client.send(left) :]
    raise AssertionError("the server took requests without end")


def _is_cut(client: socket.socket) -> bool:
    try:
        while client.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True

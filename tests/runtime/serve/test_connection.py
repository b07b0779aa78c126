from __future__ import annotations

import socket

import pytest

from edgeseg.runtime.serve import connection
from edgeseg.runtime.serve.app import Served
from edgeseg.runtime.serve.server import Server

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


def _is_cut(client: socket.socket) -> bool:
    try:
        while client.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.serve import connection, guard
from edgeseg.runtime.serve.server import Server

from .sites import site

for needed in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="needs the extra serve")
DEADLINE_S = 20.0


def _served(**arguments: Any) -> Server:
    return Server(site(), port=0, tell=lambda line: None, **arguments)


def _get(address: str, **headers: str) -> bytes:
    with urlopen(Request(address, headers=headers), timeout=DEADLINE_S) as answer:
        return answer.read()


def _connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", _port(server)), DEADLINE_S)


def _said(client: socket.socket) -> str:
    """Give the head of an answer, and what came of the rest with it."""
    said = b""
    while b"\r\n\r\n" not in said and (more := client.recv(4096)):
        said += more
    return said.decode()


def _port(server: Server) -> int:
    return int(server.address.rstrip("/").rpartition(":")[2])


def test_a_page_on_this_machine_takes_no_token() -> None:
    with _served() as server:
        assert server.token is None
        assert b"<title>edgeseg</title>" in _get(server.address)
        assert b"gate" in _get(server.address + "api/streams")


def test_a_page_for_others_takes_the_token_that_is_told_once() -> None:
    told: list[str] = []
    with Server(site(), host="0.0.0.0", port=0, tell=told.append) as server:
        assert server.token is not None
        (line,) = told
        assert server.token in line
        local = f"http://127.0.0.1:{_port(server)}/api/site"
        with pytest.raises(HTTPError, match="401"):
            _get(local)
        assert b"classes" in _get(local, authorization=f"Bearer {server.token}")


def test_a_token_of_a_file_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    told: list[str] = []
    with Server(site(), port=0, token_file=str(file), tell=told.append) as server:
        assert "0123456789abcdef" not in told[0]
        assert _get(server.address + "api/site", authorization="Bearer 0123456789abcdef")


@pytest.mark.parametrize("content", ["", "short", "ü" * 20])
def test_a_token_that_anyone_could_guess_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(UsageError, match="16 characters"):
        _served(token_file=str(file))


def test_a_page_behind_a_proxy_is_answered_by_its_name_and_takes_a_token() -> None:
    with _served(hosts=["Cameras.example.org"]) as server:
        address = server.address + "api/site"
        with pytest.raises(HTTPError, match="401"):
            _get(address, host="cameras.example.org")
        shown = {"authorization": f"Bearer {server.token}"}
        assert _get(address, host="cameras.example.org", **shown)
        with pytest.raises(HTTPError, match="421"):
            _get(address, host="evil.example", **shown)


@pytest.mark.parametrize("name", ["https://cameras.example.org", "cameras.example.org:443", "a/b", "", "*"])
def test_what_is_no_name_of_a_host_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="without scheme, port or path"):
        _served(hosts=[name])


def test_pages_on_two_ports_keep_two_cookies(tmp_path: Path) -> None:
    """A browser sends a cookie to all ports of a host, and the second would take the place of the first."""
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    names = set()
    for server in (_served(token_file=str(file)), _served(token_file=str(file))):
        with server, _connected(server) as client:
            client.sendall(
                b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 22\r\n\r\ntoken=0123456789abcdef"
            )
            names.add(_said(client).partition("set-cookie: ")[2].partition("=")[0])
    assert len(names) == 2


def test_a_login_whose_token_never_comes_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(guard, "BODY_S", 0.1)
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    with _served(token_file=str(file)) as server, _connected(server) as client:
        client.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 22\r\n\r\ntoken=")
        assert " 408 " in _said(client)
        assert _is_cut(client)


def test_a_port_in_use_is_named() -> None:
    with _served() as server, pytest.raises(UsageError, match=f"{_port(server)}.*--serve"):
        Server(site(), port=_port(server))


def test_closing_does_not_wait_for_clients_that_wait() -> None:
    server = _served()
    with server:
        address = server.address + "api/streams/yard/result"  # there is none
        waiting = threading.Thread(target=lambda: _get(address))
        waiting.start()
        time.sleep(0.2)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5.0  # not the ten seconds that a client may wait
    waiting.join(DEADLINE_S)
    assert not waiting.is_alive()


def test_a_header_beyond_bounds_is_refused() -> None:
    with _served() as server, socket.create_connection(("127.0.0.1", _port(server)), DEADLINE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 40_000)
        assert b" 400 " in client.recv(1000)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_client_that_asks_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.2)
    with _served() as server, socket.create_connection(("127.0.0.1", _port(server)), DEADLINE_S) as client:
        client.sendall(begun)
        assert _is_cut(client)


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.3)
    with _served() as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.settimeout(DEADLINE_S)
        client.connect(("127.0.0.1", _port(server)))
        asked = b"GET /assets/page.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200_000
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            client.sendall(asked)
        assert _get(server.address + "healthz")  # others are answered


def test_more_clients_than_allowed_are_sent_away_and_nobody_else_suffers() -> None:
    with _served() as server:
        crowd = [socket.create_connection(("127.0.0.1", _port(server)), DEADLINE_S) for _ in range(70)]
        with pytest.raises(HTTPError, match="503"):
            _get(server.address)
        for client in crowd:
            client.close()
        deadline_s = time.monotonic() + DEADLINE_S
        while not _answers(server.address) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert _answers(server.address)


def _answers(address: str) -> bool:
    try:
        return bool(_get(address))
    except HTTPError:
        return False


def _is_cut(client: socket.socket) -> bool:
    """Read what is still on its way, and see whether the connection ends within the client's patience."""
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgeseg.errors import SinkError, UsageError
from edgeseg.runtime.sinks.messages import RefusedError
from edgeseg.runtime.sinks.webhook import Webhook


class Server(ThreadingHTTPServer):
    """Answers POST with `status`; keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.location = 204, ""
        self.let_go = threading.Event()
        self.hang = False
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, dict(self.headers), data))
        if self.server.hang:
            self.server.let_go.wait(30)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield started
        started.let_go.set()
        started.shutdown()
        thread.join()


def test_messages_are_posts_of_json_over_one_connection(server: Server) -> None:
    address = server.address.replace("http://", "http://m%40e:pw@") + "/hook?key=1"
    hook = Webhook(address)
    for number in range(5):
        hook.send(json.dumps({"number": number}).encode())
    hook.close()
    assert [json.loads(data)["number"] for _, _, data in server.posts] == list(range(5))
    path, headers, _ = server.posts[0]
    assert path == "/hook?key=1"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Basic bUBlOnB3"  # m@e:pw
    assert server.connections == 1
    assert hook.name == f"http://***@127.0.0.1:{server.server_address[1]}/hook"


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (500, SinkError, "answers 500"),
        (503, SinkError, "answers 503"),
        (429, SinkError, "answers 429"),
        (404, RefusedError, "answers 404 .*check address and password"),
        (302, RefusedError, "answers 302 .*redirects are not followed"),
        (307, RefusedError, "redirects are not followed"),
    ],
)
def test_what_a_server_answers_decides_whether_it_is_tried_again(
    server: Server, status: int, error: type[SinkError], message: str
) -> None:
    server.status = status
    server.location = "http://elsewhere.example/" if 300 <= status < 400 else ""
    hook = Webhook(server.address + "/hook")
    with pytest.raises(SinkError, match=message) as caught:
        hook.send(b"{}")
    assert type(caught.value) is error
    server.status = 200
    hook.send(b"{}")
    hook.close()


def test_a_server_that_hangs_costs_no_more_than_the_timeout(server: Server) -> None:
    server.hang = True
    hook = Webhook(server.address.replace("http://", "http://me:secret@"), timeout_s=0.2)
    began_s = time.monotonic()
    with pytest.raises(SinkError, match="cannot be reached: timed out") as caught:
        hook.send(b"{}")
    assert time.monotonic() - began_s < 10.0
    assert "secret" not in str(caught.value)
    hook.close()


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SinkError, match=r"http://127.0.0.1:1/x cannot be reached: .*refused"):
        Webhook("http://127.0.0.1:1/x").send(b"{}")


@pytest.mark.parametrize("address", ["http://", "http://me:secret@host:port/", "http://me:secret@ho st/"])
def test_malformed_addresses_are_refused_without_their_password(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        Webhook(address)
    assert "secret" not in str(caught.value)

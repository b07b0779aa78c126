"""Serve an engine's folder to a browser on this machine, and pass messages to its page and back."""

from __future__ import annotations

import json
import mimetypes
import queue
import secrets
import struct
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import EdgesegError, EngineError

HOST = "127.0.0.1"
OWN = "/-/"  # where what is not the folder's lies
WAIT_S = 5.0  # of a page for a question, before it asks again
TICK_S = 1.0
MOST_SILENT_TICKS = 120  # a page shows that it lives once a second
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""What a browser wants to hear before it gives a page threads."""

TYPES = {".js": "text/javascript", ".wasm": "application/wasm", ".onnx": "application/octet-stream"}
_LENGTH = struct.Struct(">I")


class Answer(NamedTuple):
    """What a page answered: values, and arrays by name."""

    values: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


class Channel:
    """A server on this machine alone; one question at a time.

    Args:
        read: gives a file of the folder by its name. Raises EdgesegError where there is none.
        own: files besides, by their name.
    """

    def __init__(self, read: Callable[[str], bytes], own: Mapping[str, bytes]) -> None:
        self.token = secrets.token_urlsafe(16)  # other users of the machine know the port
        self.signs = 0  # of life
        self._read, self._own = read, own
        self._questions: queue.Queue[bytes] = queue.Queue()
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._server = _Server((HOST, 0), _Handler)
        self._server.channel = self
        threading.Thread(target=self._server.serve_forever, name="edgeseg-web", daemon=True).start()

    def address(self, page: str) -> str:
        """Give the address of one of the files besides, which finds its messages by it."""
        return f"http://{HOST}:{self._server.server_port}{OWN}{page}#{self.token}"

    def ask(self, kind: str, payload: bytes, values: Mapping[str, Any], check: Callable[[], None]) -> Answer:
        """Send a question and wait for the answer, whose values have `error` where the page failed.

        Args:
            check: raises where nobody can answer any more.

        Raises:
            EngineError: if the page shows no sign of life for long; what it answers later is lost.
        """
        self._questions.put(_packed({"kind": kind, **values}, payload))
        silent, signs = 0, self.signs
        while (data := self._answered_within(TICK_S)) is None:  # ticks: a machine may sleep meanwhile
            check()
            silent, signs = (silent + 1, signs) if signs == self.signs else (0, self.signs)
            if silent > MOST_SILENT_TICKS:
                raise EngineError("the page in the browser does not answer any more")
        return _unpacked(data)

    def _answered_within(self, time_s: float) -> bytes | None:
        try:
            return self._answers.get(timeout=time_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def file(self, path: str) -> bytes | None:
        """Give what is served at a path; None where there is nothing."""
        if path.startswith(OWN):
            return self._own.get(path.removeprefix(OWN))
        try:
            return self._read(path.removeprefix("/") or "index.html")
        except EdgesegError:
            return None

    def next_question(self) -> bytes | None:
        """Give what the page shall do next; None after a while."""
        try:
            return self._questions.get(timeout=WAIT_S)
        except queue.Empty:
            return None

    def answered(self, data: bytes) -> None:
        """Take an answer."""
        self._answers.put(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a page may wait for its next question
    channel: Channel

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that ends while it is sent something."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Give a file, or the next question."""
        channel, path = self.server.channel, self.path.partition("?")[0]
        if path == f"{OWN}{channel.token}/next":
            question = channel.next_question()
            self._send(question, missing=HTTPStatus.NO_CONTENT)
            return
        kind = TYPES.get(PurePosixPath(path).suffix) or mimetypes.guess_type(path)[0] or "text/html"
        self._send(channel.file(path), kind)

    def do_POST(self) -> None:
        """Take an answer, or a sign of life."""
        channel = self.server.channel
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == f"{OWN}{channel.token}/answer":
            channel.answered(body)
        elif self.path != f"{OWN}{channel.token}/alive":
            self._send(None)
            return
        channel.signs += 1
        self._send(None, missing=HTTPStatus.NO_CONTENT)

    def _send(
        self, data: bytes | None, kind: str = "", *, missing: HTTPStatus = HTTPStatus.NOT_FOUND
    ) -> None:
        self.send_response(missing if data is None else HTTPStatus.OK)
        for name, value in {**ISOLATED, "Cache-Control": "no-store"}.items():
            self.send_header(name, value)
        if data is not None or missing != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _packed(header: Mapping[str, Any], payload: bytes) -> bytes:
    text = json.dumps(header).encode()
    return _LENGTH.pack(len(text)) + text + payload


def _unpacked(data: bytes) -> Answer:
    """Read a header, and the arrays that it names, which lie behind it one after another."""
    start = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    values: dict[str, Any] = json.loads(data[_LENGTH.size : start])
    arrays = {}
    for one in values.pop("arrays"):
        dtype, shape = np.dtype(one["dtype"]), tuple(one["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(data, dtype, count, offset=start).reshape(shape)
        arrays[one["name"]] = array.copy()
        start += array.nbytes
    return Answer(values, arrays)

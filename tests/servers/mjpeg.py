"""Serve a camera by HTTP as MJPEG (multipart/x-mixed-replace), with every kind of damage on demand."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable
from enum import Enum
from types import TracebackType

import cv2
import numpy as np

from .marks import draw_luma

BOUNDARY = "frame"
REQUEST_TIMEOUT_S = 30.0
POLL_S = 0.05
PAGE_NOT_FOUND = b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
UNAUTHORIZED = (
    b'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"\r\nContent-Length: 0\r\n\r\n'
)


class Fault(Enum):
    """What is wrong with the next parts.

    Attributes:
        NONE: nothing.
        TRUNCATED: pictures break off in the middle; the length says so.
        GARBAGE: bytes in the middle of pictures are others.
        LONG: Content-Length says more than there is.
        SHORT: Content-Length says less than there is.
        NO_LENGTH: there is no Content-Length.
        NO_BOUNDARY: pictures follow one another without a boundary.
        EMPTY: parts hold nothing.
        SILENT: nothing comes, and the connection stays open.
        STILL: the same picture again and again.
        CLOSED: the connection ends.
    """

    NONE = "none"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    LONG = "long"
    SHORT = "short"
    NO_LENGTH = "no-length"
    NO_BOUNDARY = "no-boundary"
    EMPTY = "empty"
    SILENT = "silent"
    STILL = "still"
    CLOSED = "closed"


class MjpegServer:
    """A camera at `/camera`; everything else is not found. Its picture shows the marks of `marks.py`.

    Args:
        camera: its number.
        user, password: who may look, by basic authentication; everyone by default.

    Attributes:
        port: where it listens.
        width, height, fps, fault: of the next pictures; may be set at any time.
        epoch_s: `time.time()` at which frame 0 was shown.
        sent: how many parts were sent to all clients.
    """

    def __init__(
        self,
        camera: int = 1,
        *,
        width: int = 320,
        height: int = 240,
        fps: float = 15.0,
        user: str = "",
        password: str = "",
    ) -> None:
        self.width, self.height, self.fps = width, height, fps
        self.fault = Fault.NONE
        self.epoch_s = time.time()
        self.sent = 0
        self._camera = camera
        self._token = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(POLL_S)
        self.port: int = self._socket.getsockname()[1]

    def url(self, path: str = "/camera", access: str = "") -> str:
        """Give its address; `access` is `user:password@`, quoted."""
        return f"http://{access}127.0.0.1:{self.port}{path}"

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            self._spawn(lambda client=client: self._serve(client))

    def _spawn(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            client.settimeout(REQUEST_TIMEOUT_S)
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    if not (more := client.recv(4096)):
                        return
                    request += more
                self._answer(client, request.decode("latin-1"))
            except OSError:  # the client went away
                return

    def _answer(self, client: socket.socket, request: str) -> None:
        if self._token and f"Authorization: Basic {self._token}" not in request:
            client.sendall(UNAUTHORIZED)
            return
        if request.split()[1].partition("?")[0] != "/camera":
            client.sendall(PAGE_NOT_FOUND)
            return
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        client.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        number, picture = -1, b""
        while not self._stopped.is_set() and self.fault is not Fault.CLOSED:
            now = int((time.time() - self.epoch_s) * self.fps)
            if now <= number or self.fault is Fault.SILENT:
                self._stopped.wait(
                    max(min(self.epoch_s + (number + 1) / self.fps - time.time(), POLL_S), 0.001)
                )
                continue
            number = now
            if self.fault is not Fault.STILL or not picture:
                picture = self._picture(number)
            client.sendall(part(picture, self.fault))
            self.sent += 1

    def _picture(self, number: int) -> bytes:
        luma = np.frombuffer(draw_luma(self._camera, number, self.width, self.height), np.uint8)
        ok, encoded = cv2.imencode(".jpg", luma.reshape(self.height, self.width))
        assert ok
        return encoded.tobytes()

    def __enter__(self) -> MjpegServer:
        self._spawn(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(REQUEST_TIMEOUT_S)
        self._socket.close()


def part(picture: bytes, fault: Fault = Fault.NONE) -> bytes:
    """Write one part of a multipart answer, with a fault."""
    middle = len(picture) // 2
    if fault is Fault.TRUNCATED:
        picture = picture[:middle]
    elif fault is Fault.GARBAGE:
        picture = picture[:middle] + b"\xff\x00\xaa\x55" * 16 + picture[middle + 64 :]
    elif fault is Fault.EMPTY:
        picture = b""
    stated = len(picture) + {Fault.LONG: 500, Fault.SHORT: -middle}.get(fault, 0)
    length = "" if fault is Fault.NO_LENGTH else f"Content-Length: {stated}\r\n"
    head = "" if fault is Fault.NO_BOUNDARY else f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n{length}\r\n"
    return head.encode() + picture + b"\r\n"

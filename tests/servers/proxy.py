"""Stand between a client and a TCP server, and cut, hold back, slow down or damage what the server sends."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from types import TracebackType

POLL_S = 0.02
CHUNK = 4096
JOIN_S = 30.0


class Proxy:
    """A port of its own that leads to another port of this machine.

    Args:
        target_port: where to; it may be down for the time being.
        seed: of the damage.

    Attributes:
        port: where it listens.
        held: nothing is passed on, as where a network hangs.
        damage: share of the chunks of up to 4 KiB, 0..1, in which a few bytes become others.
        bytes_per_s: how fast it is, None for as fast as it can.
    """

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        self.held = False
        self.damage = 0.0
        self.bytes_per_s: float | None = None
        self._target_port = target_port
        self._random = random.Random(seed)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(POLL_S)
        self.port: int = self._socket.getsockname()[1]

    def cut(self) -> None:
        """Break all connections off; new ones are taken."""
        with self._lock:
            for pair in self._pairs:
                for end in pair:
                    _shut(end)

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            self._start(self._connect, client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port))
        except OSError:
            client.close()
            return
        with self._lock:
            self._pairs.append((client, server))
        asking = threading.Thread(target=self._pass_on, args=(client, server), daemon=True)
        asking.start()
        self._pass_on(server, client, answers=True)
        asking.join(JOIN_S)
        with self._lock:
            self._pairs.remove((client, server))
        client.close()
        server.close()

    def _pass_on(self, source: socket.socket, target: socket.socket, *, answers: bool = False) -> None:
        source.settimeout(POLL_S)
        try:
            while not self._stopped.is_set():
                if self.held:
                    time.sleep(POLL_S)
                    continue
                try:
                    data = source.recv(CHUNK)
                except TimeoutError:
                    continue
                if not data:
                    break
                if answers:
                    data = self._damaged(data)
                    if self.bytes_per_s:
                        self._stopped.wait(len(data) / self.bytes_per_s)
                _send(target, data, self._stopped)
        except OSError:
            pass
        _shut(source)
        _shut(target)

    def _damaged(self, data: bytes) -> bytes:
        if self._random.random() >= self.damage:
            return data
        damaged = bytearray(data)
        for _ in range(8):
            damaged[self._random.randrange(len(damaged))] = self._random.randrange(256)
        return bytes(damaged)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Proxy:
        self._start(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self.cut()
        for thread in self._threads:
            thread.join(JOIN_S)
        self._socket.close()


def _send(target: socket.socket, data: bytes, stopped: threading.Event) -> None:
    """Send all of it, however slowly it is taken."""
    view = memoryview(data)
    while view and not stopped.is_set():
        try:
            view = view[target.send(view) :]
        except TimeoutError:  # noqa: PERF203
            continue


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is down
        end.shutdown(socket.SHUT_RDWR)

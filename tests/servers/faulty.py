"""RTSP cameras that break in a seeded order, in a process of their own: what `benchmarks.faults` looks at."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from .proxy import Proxy
from .rtsp import Camera, RtspServer

FPS = 10.0
SIZES_WH = ((320, 240), (640, 480), (160, 128))
HEALTHY_S = (6.0, 12.0)  # from one fault to the next
BROKEN_S = (1.0, 8.0)
SETTLE_S = 30.0  # at the end nothing breaks: the longest pause before an attempt is that long
SETTLE_SHARE = 0.25  # of a short run
GARBAGE = 0.2  # of what is sent, while there is some
END_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Fault:
    """What a camera went through; times are of `time.monotonic()`.

    Attributes:
        kind: `cut` (connections break off), `kill` (the server is gone), `freeze` (the server stands still),
            `hold` (the network does), `garbage` (bytes are others), `still` (the same picture), `size`.
        begun_s, back_s: from when on it was broken, and not any more.
    """

    camera: int
    kind: str
    begun_s: float
    back_s: float


class FaultyCameras:
    """Cameras 0, 1, ... in another process; a context manager.

    Attributes:
        urls: of the cameras.
        shown_at_s: `time.monotonic()` at which frame 0 of each was shown; frame n comes n / FPS later.
    """

    def __init__(self, count: int, seconds: float, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, self._theirs = context.Pipe()
        asked = (self._theirs, count, seconds, seed)
        self._process = context.Process(target=_serve, args=asked, daemon=True)
        self.urls: list[str] = []
        self.shown_at_s: list[float] = []

    def faults(self) -> list[Fault]:
        """Wait until nothing breaks any more, and give all that did."""
        faults: list[Fault] = self._ours.recv()
        return faults

    def __enter__(self) -> FaultyCameras:
        self._process.start()
        self._theirs.close()
        self.urls, self.shown_at_s = self._ours.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.send("stop")
        self._process.join(END_TIMEOUT_S)
        self._process.close()
        self._ours.close()


def _serve(ours: Connection, count: int, seconds: float, seed: int) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(RtspServer(Camera(number, fps=FPS))) for number in range(count)]
        proxies = [stack.enter_context(Proxy(server.port, seed=seed)) for server in servers]
        urls = [server.url(port=proxy.port) for server, proxy in zip(servers, proxies, strict=True)]
        from_wall_s = time.monotonic() - time.time()
        ours.send((urls, [server.epoch_s + from_wall_s for server in servers]))
        end_s = time.monotonic() + seconds - min(SETTLE_S, SETTLE_SHARE * seconds)
        faults: list[Fault] = []
        threads = [
            threading.Thread(target=_break, args=(faults, server, proxy, seed, end_s))
            for server, proxy in zip(servers, proxies, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ours.send(faults)
        ours.recv()


def _break(faults: list[Fault], server: RtspServer, proxy: Proxy, seed: int, end_s: float) -> None:
    """Break one camera again and again."""
    number = server.cameras["/camera"].number
    chance = random.Random(f"{seed} {number}")
    while True:
        time.sleep(chance.uniform(*HEALTHY_S))
        kind = chance.choice(("cut", "kill", "freeze", "hold", "garbage", "still", "size"))
        broken_s = chance.uniform(*BROKEN_S)
        begun_s = time.monotonic()
        if begun_s + broken_s > end_s:
            return
        if kind == "cut":
            proxy.cut()
        elif kind == "kill":
            server.kill()
            time.sleep(broken_s)
            server.start()
        elif kind == "freeze":
            server.freeze()
            time.sleep(broken_s)
            server.thaw()
        elif kind == "hold":
            proxy.held = True
            time.sleep(broken_s)
            proxy.held = False
        elif kind == "garbage":
            proxy.damage = GARBAGE
            time.sleep(broken_s)
            proxy.damage = 0.0
        elif kind == "still":
            server.hold_picture()
            time.sleep(broken_s)
            server.hold_picture(False)
        else:
            width, height = chance.choice(SIZES_WH)
            server.restart(width=width, height=height)
        faults.append(Fault(number, kind, begun_s, time.monotonic()))

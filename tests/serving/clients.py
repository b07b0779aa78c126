"""Clients of a server, each with a connection of its own, and the processes that serve them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tritonclient.http")

import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from edgeseg.scenes.pictures import picture
from edgeseg.serving.on_ray import RayServer

WAIT_S = 90.0


def free_port() -> int:
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def frames(count: int) -> list[NDArray[np.uint8]]:
    """Draw frames of several sizes."""
    return [picture(index, (40 + 7 * (index % 5), 60 + 11 * (index % 3)), 3) for index in range(count)]


def infer(server: RayServer, frame: NDArray[np.uint8]) -> NDArray[Any]:
    """Let a client of its own ask for one frame's labels."""
    with contextlib.closing(triton.InferenceServerClient(server.address)) as client:
        tensor = triton.InferInput("frame", (1, *frame.shape), "UINT8")
        tensor.set_data_from_numpy(frame[None])
        labels: NDArray[Any] = client.infer("tiny", [tensor]).as_numpy("labels")[0]
        return labels


def outcome(server: RayServer, frame: NDArray[np.uint8]) -> NDArray[Any] | str:
    """Give labels, or the status of a refusal."""
    try:
        return infer(server, frame)
    except InferenceServerException as error:
        return str(error.status())


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    ended = threading.Event()
    timer = threading.Timer(WAIT_S, ended.set)
    timer.start()
    while not holds():
        assert not ended.wait(0.1), "it does not come about"
    timer.cancel()


def processes_of(application: str) -> list[int]:
    """Give the numbers of the processes of the `network` or of the `door`."""
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            if any(f"ServeReplica:edgeseg-{application}" in word for word in process.cmdline()):
                found.append(process.pid)
    return found

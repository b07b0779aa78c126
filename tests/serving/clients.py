"""Servers of a tiny engine, clients of them, each with a connection of its own, and what these are to get."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tritonclient.http")

import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from edgeseg.cluster.joining import HERE
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import picture
from edgeseg.serving.on_ray import RayServer, ServerSettings
from edgeseg.serving.replica import EngineSettings
from tests.servers.ports import free_port

WAIT_S = 90.0
LARGE_HW = (480, 640)  # of frames whose CRF takes some tenths of a second


def serving(engine: Path, address: str = HERE, *, crf: bool = False, **settings: Any) -> RayServer:
    """Serve an engine as `tiny` at a free port; settings are those of ServerSettings."""
    return RayServer(
        ServerSettings(EngineSettings(engine, crf=crf), "tiny", port=free_port(), **settings), address
    )


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


def check_labels(
    engine: Path,
    sent: Sequence[NDArray[np.uint8]],
    found: Sequence[NDArray[Any] | str],
    *,
    crf: bool = False,
) -> list[str]:
    """Assert that labels are those of the runtime; gives the statuses of what was refused."""
    with Segmenter.open(engine, threads=1, crf=crf) as segment:
        for frame, labels in zip(sent, found, strict=True):
            if not isinstance(labels, str):
                np.testing.assert_array_equal(labels, segment(frame).labels)
    return [one for one in found if isinstance(one, str)]


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

"""A server outlives what is sent to end it: bodies that never end, and requests that end replicas."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray.serve")
pytest.importorskip("tritonclient.http")

import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from edgeseg.limits import VARIABLE
from edgeseg.scenes.pictures import picture
from edgeseg.serving.door import ENDED, running_replicas
from edgeseg.serving.on_ray import RayServer
from tests.runtime.tiny_models import labels_engine, logits_engine
from tests.servers.ray_cluster import ON_RAY
from tests.serving.clients import frames, infer, processes_of, serving, until

pytestmark = ON_RAY


def test_bodies_that_do_not_end_are_bounded_all_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "bytes=1m")
    engine, (frame,) = labels_engine(tmp_path / "engine"), frames(1)
    with serving(engine) as server:
        host, _, port = server.address.rpartition(":")
        with contextlib.ExitStack() as stack:
            sent = [http.client.HTTPConnection(host, int(port), timeout=10) for _ in range(16)]
            for one in sent:
                stack.callback(one.close)
                one.putrequest("POST", "/v2/models/tiny/infer")
                one.putheader("Content-Length", "1000000")
                one.endheaders()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before the end
                    one.send(bytes(900_000))

            def status_of(one: http.client.HTTPConnection) -> int | None:
                try:
                    return one.getresponse().status
                except TimeoutError:
                    return None  # it waits for the rest

            with ThreadPoolExecutor(len(sent)) as pool:
                found = list(pool.map(status_of, sent))
        assert set(found) <= {503, None}
        assert found.count(None) <= 4  # two doors hold 2 MiB each
        until(lambda: np.array_equal(infer(server, frame).shape, frame.shape[:2]))


def test_a_request_that_ends_two_replicas_is_not_given_a_third(tmp_path: Path) -> None:
    engine = logits_engine(tmp_path / "engine")
    large = np.stack([picture(0, (900, 1000), 3)] * 64)  # of which the CRF takes many seconds
    with serving(engine, crf=True) as server:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(long_request, server, large)
            ended: set[int] = set()
            while not asked.done():
                there = set(processes_of("network")) - ended
                if there and running_replicas() and not wait([asked], timeout=1.0).done:
                    ended |= there
                    for number in there:
                        os.kill(number, signal.SIGKILL)
                time.sleep(0.1)
            assert asked.result() == ("500", ENDED)
        (frame,) = frames(1)
        assert infer(server, frame).shape == frame.shape[:2]


def long_request(server: RayServer, sent: np.ndarray) -> tuple[str, str]:  # type: ignore[type-arg]
    """Give the status and the reason of a request that is refused at last."""
    with contextlib.closing(triton.InferenceServerClient(server.address, network_timeout=300.0)) as client:
        tensor = triton.InferInput("frame", sent.shape, "UINT8")
        tensor.set_data_from_numpy(sent)
        try:
            client.infer("tiny", [tensor])
        except InferenceServerException as error:
            return str(error.status()), error.message()
        return "200", ""

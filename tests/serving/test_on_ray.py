"""Ray Serve gives clients what the runtime finds, refuses what is too much, and loses nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("ray.serve")
pytest.importorskip("tritonclient.http")

import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from edgeseg.errors import EngineError, UsageError
from edgeseg.limits import VARIABLE
from edgeseg.scenes.pictures import picture
from edgeseg.serving.on_ray import RayServer
from tests.runtime.tiny_models import labels_engine, logits_engine
from tests.servers.ray_cluster import ON_RAY, ray_cluster
from tests.serving.clients import LARGE_HW, check_labels, frames, infer, outcome, processes_of, serving

pytestmark = ON_RAY


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labels_engine(tmp_path_factory.mktemp("engine") / "engine", batch=4)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return logits_engine(tmp_path_factory.mktemp("slow") / "engine")


@pytest.fixture(scope="class")
def server(engine: Path) -> Iterator[RayServer]:
    """Serve on a cluster that was there before, as those of several machines are."""
    with ray_cluster(2) as nodes, pytest.MonkeyPatch.context() as changed:
        changed.setenv(VARIABLE, "bytes=64m")  # which the nodes have not
        with serving(engine, nodes.address, replicas=(2, 2)) as running:
            yield running


class TestOneServer:
    """Two replicas that clients share."""

    def test_health_and_metadata(self, server: RayServer) -> None:
        with contextlib.closing(triton.InferenceServerClient(server.address)) as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("tiny")
            assert client.is_model_ready("tiny", "1")
            assert not client.is_model_ready("other")
            assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
            assert [one["name"] for one in client.get_model_metadata("tiny")["outputs"]] == ["labels"]
            with pytest.raises(InferenceServerException, match="there is no model 'other'; there is tiny"):
                client.get_model_metadata("other")

    @pytest.mark.parametrize("clients", [1, 8, 64])
    def test_any_number_of_clients_get_the_results_of_the_runtime(
        self, server: RayServer, engine: Path, clients: int
    ) -> None:
        sent = frames(2 * clients)
        with ThreadPoolExecutor(clients) as pool:
            found = list(pool.map(lambda frame: infer(server, frame), sent))
        check_labels(engine, sent, found)

    def test_pictures_and_requests_that_are_wrong(self, server: RayServer, engine: Path) -> None:
        (frame,) = frames(1)
        with contextlib.closing(triton.InferenceServerClient(server.address)) as client:
            png = np.array([[cv2.imencode(".png", frame)[1].tobytes()]], np.object_)
            tensor = triton.InferInput("picture", (1, 1), "BYTES")
            tensor.set_data_from_numpy(png)
            asked = [triton.InferRequestedOutput("labels", binary_data=False)]  # numbers in JSON
            found = client.infer("tiny", [tensor], outputs=asked).as_numpy("labels")[0]
            np.testing.assert_array_equal(found, infer(server, frame))
            tensor.set_data_from_numpy(np.array([[b"no picture"]], np.object_))
            with pytest.raises(InferenceServerException, match="no picture that OpenCV reads"):
                client.infer("tiny", [tensor])

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_frames_and_labels_may_travel_compressed(self, server: RayServer, coding: str) -> None:
        (frame,) = frames(1)
        with contextlib.closing(triton.InferenceServerClient(server.address)) as client:
            tensor = triton.InferInput("frame", (1, *frame.shape), "UINT8")
            tensor.set_data_from_numpy(frame[None])
            found = client.infer(
                "tiny",
                [tensor],
                request_compression_algorithm=coding,
                response_compression_algorithm=coding,
            )
            np.testing.assert_array_equal(found.as_numpy("labels")[0], infer(server, frame))

    def test_a_request_without_a_length_is_read_up_to_the_limit(self, server: RayServer) -> None:
        host, _, port = server.address.rpartition(":")
        sent = http.client.HTTPConnection(host, int(port))
        with contextlib.closing(sent):
            endless = (bytes(1 << 20) for _ in range(100))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is refused before its end
                sent.request("POST", "/v2/models/tiny/infer", endless, encode_chunked=True)
            answer = sent.getresponse()
            assert answer.status == 413
            assert "at most 64 MiB are allowed" in json.loads(answer.read())["error"]

    def test_a_replica_that_is_killed_loses_no_request(self, server: RayServer, engine: Path) -> None:
        found = processes_of("network")
        assert len(found) >= 2
        sent = frames(64)
        killing = threading.Timer(0.1, os.kill, (found[0], signal.SIGKILL))
        killing.start()
        with ThreadPoolExecutor(8) as pool:
            labels = list(pool.map(lambda frame: infer(server, frame), sent))
        killing.join()
        check_labels(engine, sent, labels)


def test_what_is_too_much_is_refused_at_once_and_the_rest_is_right(slow: Path) -> None:
    sent = [picture(index, LARGE_HW, 3) for index in range(24)]
    with serving(slow, crf=True, queue=2) as running:
        with ThreadPoolExecutor(len(sent)) as pool:
            found = list(pool.map(lambda frame: outcome(running, frame), sent))
        after = outcome(running, sent[0])
    refused = check_labels(slow, sent, found, crf=True)
    assert set(refused) == {"503"}
    assert len(refused) < len(sent)
    assert check_labels(slow, sent[:1], [after], crf=True) == []


def test_what_has_begun_ends_before_the_server_does(slow: Path) -> None:
    sent = [picture(index, LARGE_HW, 3) for index in range(6)]
    begun = threading.Barrier(len(sent) + 1)

    def ask(frame: NDArray[np.uint8]) -> NDArray[Any] | str:
        begun.wait()
        return outcome(running, frame)

    running = serving(slow, crf=True)
    with ThreadPoolExecutor(len(sent)) as pool:
        asked = [pool.submit(ask, frame) for frame in sent]
        begun.wait()
        while not any(one.done() for one in asked):  # all have arrived when the first has its answer
            threading.Event().wait(0.01)
        running.close()
        running.close()
        found = [one.result() for one in asked]
    assert check_labels(slow, sent, found, crf=True) == []


def test_what_cannot_be_served_is_one_line(engine: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not exist; give an engine's folder"):
        serving(tmp_path / "none")
    with pytest.raises(UsageError, match=r"there is no Ray cluster at '127\.0\.0\.1:1'"):
        serving(engine, "127.0.0.1:1")

"""A server on a cluster keeps to its room and to its own, scales, fills batches, and outlives a door."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("ray.serve")
pytest.importorskip("tritonclient.http")

from edgeseg.cluster.sent import digest_of, folder_of
from edgeseg.errors import UsageError
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import picture
from edgeseg.serving.door import running_replicas
from edgeseg.serving.on_ray import RayServer, ServerSettings
from edgeseg.serving.replica import EngineSettings
from tests.runtime.tiny_models import crowd_engine, labels_engine, logits_engine
from tests.servers.ports import free_port
from tests.servers.ray_cluster import ON_RAY, ray_cluster
from tests.serving.clients import (
    LARGE_HW,
    check_labels,
    frames,
    infer,
    outcome,
    processes_of,
    serving,
    until,
)

pytestmark = ON_RAY
HOLD = """
import sys, time, ray
from ray import serve
ray.init(sys.argv[1], logging_level="ERROR", log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
ray.remote(num_cpus=1)(lambda: time.sleep(600)).remote()
print("there", flush=True)
time.sleep(600)
"""


@pytest.fixture
def cluster() -> Iterator[str]:
    """Give the address of a cluster with two cores."""
    with ray_cluster(2) as nodes:
        yield nodes.address


def test_another_server_leaves_the_first_alone_and_nothing_stays(cluster: str, tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine", (64, 80))
    sent = folder_of(digest_of(engine), "serve")
    with serving(engine, cluster) as server:
        command = [sys.executable, "-m", "edgeseg", "serve", str(engine), "--ray", cluster]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert other.returncode == 2
        assert "edgeseg serve serves tiny on this cluster already; end that first" in other.stderr
        check_labels(engine, frames(1), [infer(server, frames(1)[0])])
        assert sent.exists()
    assert not sent.exists()


def test_a_server_that_was_killed_gives_way_to_the_next(cluster: str, tmp_path: Path) -> None:
    """Ray's applications go on without it, until the next takes their place."""
    first, second = labels_engine(tmp_path / "first"), crowd_engine(tmp_path / "second", 1)
    port = free_port()
    command = [sys.executable, "-m", "edgeseg", "serve", str(first), "--ray", cluster, "--at", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert f"http://127.0.0.1:{port}/v2" in killed.stdout.readline()
        killed.kill()
    with serving(second, cluster) as server:
        assert server.address == f"127.0.0.1:{port}"
        check_labels(second, frames(1), [infer(server, frames(1)[0])])


def test_what_does_not_fit_is_refused(cluster: str, tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    with pytest.raises(UsageError, match="do not fit: the cluster has 2 cores; give --replicas 2"):
        serving(engine, cluster, replicas=(4, 4))
    on_gpu = ServerSettings(EngineSettings(engine, device="cuda"), "tiny")
    with pytest.raises(UsageError, match=r"1 replica of 1 core and 1 GPU each do not fit.*--device cpu"):
        RayServer(on_gpu, cluster)


def test_what_a_server_waits_for_is_said_and_where_it_serves(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve runs there already, at a port of its own, and another program has a core."""
    monkeypatch.setattr("edgeseg.serving.fitting.PATIENCE_S", 4.0)
    engine, port, told = labels_engine(tmp_path / "engine"), free_port(), []
    command = [sys.executable, "-c", HOLD, cluster, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "there\n"

        def tell(line: str) -> None:
            told.append(line)
            holding.kill()  # and its core is free

        settings = ServerSettings(EngineSettings(engine), "tiny", port=free_port(), replicas=(2, 2))
        with RayServer(settings, cluster, tell) as server:
            assert server.address == f"127.0.0.1:{port}"
            check_labels(engine, frames(1), [infer(server, frames(1)[0])])
    (line,) = told
    assert re.fullmatch("[01] of 2 replicas run so far; each takes 1 core, the cluster has .* free", line)


def test_requests_that_come_together_fill_batches(tmp_path: Path) -> None:
    engine = crowd_engine(tmp_path / "engine", 4)
    bright = np.full((32, 48, 3), 255, np.uint8)
    with serving(engine) as server:
        alone = infer(server, bright)
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: int(infer(server, bright).max()), range(200)))
    assert alone.max() == 1
    assert max(found) == 4
    assert sum(one > 1 for one in found) > len(found) / 2, Counter(found)


def test_replicas_are_added_while_requests_wait(tmp_path: Path) -> None:
    engine = logits_engine(tmp_path / "engine")
    sent = [picture(index, LARGE_HW, 3) for index in range(4)]
    with serving(engine, crf=True, replicas=(1, 2), queue=64) as server:
        assert running_replicas() == 1
        ended = threading.Event()

        def again(frame: NDArray[np.uint8]) -> list[NDArray[Any] | str]:
            found = []
            while not ended.is_set():
                found.append(outcome(server, frame))
            return found

        with ThreadPoolExecutor(len(sent)) as pool:
            asked = [pool.submit(again, frame) for frame in sent]
            with contextlib.ExitStack() as stack:
                stack.callback(ended.set)
                until(lambda: running_replicas() == 2)
            found = [one.result() for one in asked]
    with Segmenter.open(engine, threads=1, crf=True) as segment:
        for frame, labels in zip(sent, found, strict=True):
            expected = segment(frame).labels
            assert all(np.array_equal(one, expected) for one in labels)


def test_a_door_that_is_killed_takes_along_only_what_it_had(tmp_path: Path) -> None:
    engine, clients = labels_engine(tmp_path / "engine"), 4
    sent = frames(200)
    with serving(engine) as server:
        doors = processes_of("door")
        assert len(doors) == 2
        killing = threading.Timer(0.2, os.kill, (doors[0], signal.SIGKILL))
        killing.start()
        with ThreadPoolExecutor(clients) as pool:
            found = list(pool.map(lambda frame: outcome(server, frame), sent))
        killing.join()
    assert len(check_labels(engine, sent, found)) <= clients

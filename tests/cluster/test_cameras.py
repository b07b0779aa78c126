"""Cameras on several nodes: a node that is killed, another engine without a gap, and one that is refused."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("torch", reason="needs torch, which makes the network")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")

import onnx
from onnx import numpy_helper

from edgeseg import __version__
from edgeseg.cluster.cameras import AGAIN_S, Cameras
from edgeseg.cluster.node import LEASE_S
from edgeseg.cluster.sent import digest_of
from edgeseg.cluster.status import ClusterStatus
from edgeseg.engines import build
from edgeseg.manifest import read_manifest, seal
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from tests.cluster.waiting import DEADLINE_S, have_results, look_until, until
from tests.export.small_networks import unet
from tests.exported_models import ExportedModels
from tests.runtime.fakes import write_video
from tests.servers.ray_cluster import ON_RAY, ray_cluster
from tests.servers.rtsp import Camera, RtspServer

pytestmark = ON_RAY
HEAD_HANGS_S = 8.0
ELSEWHERE_S = 10.0  # from the death of a node to results of its cameras on others
NAMES = ("north", "east", "south", "west")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Three nodes on loopback."""
    with ray_cluster(1, 1, 1, engines=tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    with RtspServer({f"/{name}": Camera(number, fps=10) for number, name in enumerate(NAMES)}) as server:
        yield server


@pytest.fixture(scope="module")
def engine(exported: ExportedModels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "engine"
    build(exported(unet).path, folder, backend="onnxruntime", threads=1)
    return folder


@pytest.fixture
def settings(server: RtspServer, engine: Path, tmp_path: Path) -> SiteSettings:
    streams = (
        StreamSettings(server.url(f"/{name}"), name, "every", outputs=(str(tmp_path / f"{name}.jsonl"),))
        for name in NAMES
    )
    return SiteSettings(str(engine), tuple(streams))


def results_of(status: ClusterStatus) -> dict[str, int]:
    return {one.name: one.stream.results for one in status.cameras if one.stream is not None}


def indices(path: Path) -> list[int]:
    return [json.loads(line)["index"] for line in path.read_text().splitlines()]


def test_cameras_of_a_node_that_is_killed_run_elsewhere(
    settings: SiteSettings, cluster: Any, tmp_path: Path
) -> None:
    said: list[str] = []
    with Cameras(settings, cluster.address, say=said.append) as cameras:
        status = look_until(cameras, have_results)
        nodes = {one.node: one for one in status.nodes}
        assert len({one.node for one in status.cameras}) > 1
        lost = next(node for node in cluster.worker_nodes if nodes[node.node_id].cameras)
        gone = nodes[lost.node_id].cameras
        for process in family(lost.all_processes["raylet"][0].process.pid):
            os.kill(process, signal.SIGKILL)
        killed_s = time.monotonic()
        look_until(cameras, lambda _: sum(name in line for line in said for name in gone) >= 2 * len(gone))
        took_s = time.monotonic() - killed_s
        print(f"\n{len(gone)} of {len(NAMES)} cameras had results elsewhere {took_s:.1f} s after the kill")
        print("\n".join(said))
        assert took_s < ELSEWHERE_S
        status = look_until(cameras, have_results)
        assert all(one.node != nodes[lost.node_id].name for one in status.cameras)
        assert {one.name for one in status.cameras if one.moves} == set(gone)
    for name in gone:
        assert indices(tmp_path / f"{name}.jsonl")  # what the lost node wrote stays
        assert len(list(tmp_path.glob(f"{name}-*.jsonl"))) == 1


def test_another_engine_takes_over_once_it_is_proven_on_the_nodes(
    settings: SiteSettings, engine: Path, exported: ExportedModels, cluster: Any, tmp_path: Path
) -> None:
    broken, second = tmp_path / "broken", tmp_path / "second"
    shutil.copytree(engine, broken)
    change_weights(broken)
    build(exported(unet, batch=2).path, second, backend="onnxruntime", threads=1)
    said: list[str] = []
    with Cameras(settings, cluster.address, say=said.append) as cameras:
        look_until(cameras, have_results)
        cameras.reload(SiteSettings(str(broken), settings.streams))
        status = look_until(cameras, lambda _: any("refused" in line for line in said))
        assert "does not compute what PyTorch computes" in said[-1]
        assert {one.engine for one in status.nodes} == {digest_of(engine)}
        cameras.reload(SiteSettings(str(broken), settings.streams))
        look_until(cameras, lambda _: True)
        cameras.reload(SiteSettings(str(second), settings.streams))  # the newest counts
        new = digest_of(second)
        status = look_until(cameras, lambda status: {one.engine for one in status.nodes} == {new})
        before = results_of(status)
        status = look_until(
            cameras, lambda status: all(results_of(status)[name] > before[name] + 10 for name in NAMES)
        )
        assert [one.moves for one in status.cameras] == [0] * len(NAMES)
        cameras.reload(settings)  # back, with a proof
        first = digest_of(engine)
        look_until(cameras, lambda status: {one.engine for one in status.nodes} == {first})
        assert f"engine {first[:12]} has passed its proof on " in said[-1]
        assert sum("refused" in line for line in said) == 1
        print("\n" + "\n".join(said))
    for name in NAMES:
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert [line["index"] for line in lines] == list(range(len(lines)))
        times = [line["time_s"] for line in lines]
        pauses = sorted(later - earlier for earlier, later in itertools.pairwise(times))
        print(f"{name}: {len(lines)} frames, none lost, {pauses[-1]:.2f} s apart at most")


def test_a_camera_that_one_node_cannot_run_goes_to_another(
    settings: SiteSettings, cluster: Any, server: RtspServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = cluster.add_node(num_cpus=1, env_vars={"EDGESEG_TEST_PATH": "/north"})
    monkeypatch.setenv("EDGESEG_TEST_PATH", "")
    address = server.url("${EDGESEG_TEST_PATH}")
    north = StreamSettings(address, "north", "every", outputs=(str(tmp_path / "north.jsonl"),))
    said: list[str] = []
    try:
        with Cameras(SiteSettings(settings.engine, (north,)), cluster.address, say=said.append) as cameras:
            status = look_until(cameras, have_results)
            names = {one.node: one.name for one in status.nodes}
            assert [one.node for one in status.cameras] == [names[node.node_id]]
        assert any("cannot run on" in line and "EDGESEG_TEST_PATH" in line for line in said)
        assert indices(tmp_path / "north.jsonl")[:3] == [0, 1, 2]
    finally:
        cluster.remove_node(node)
        print("\n".join(said))


def test_nodes_of_another_version_run_nothing(
    settings: SiteSettings, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.cluster.link.__version__", "0.0.1")
    said: list[str] = []
    with Cameras(settings, cluster.address, say=said.append) as cameras:
        status = look_until(cameras, lambda _: bool(said))
    assert all(f"it has edgeseg {__version__}, the command 0.0.1" in line for line in said)
    assert not any(one.stream for one in status.cameras)


def test_the_command_line_runs_a_site_to_its_end(engine: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "street.mp4", 30)
    (tmp_path / "site.toml").write_text(
        f'engine = "{engine}"\n[[streams]]\nname = "gate"\nsource = "street.mp4"\noutputs = ["gate.jsonl"]\n'
    )
    command = [sys.executable, "-m", "edgeseg", "run", "--config", "site.toml", "--ray", "local"]
    (tmp_path / "node").mkdir()
    done = subprocess.run(
        [*command, "--status", "status.json"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "node"), "RAY_TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "gate: 30 frames on " in done.stdout
    assert indices(tmp_path / "gate.jsonl") == list(range(30))
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["cameras"][0]["stream"]["results"] == 30
    assert status["nodes"][0]["engine"] == digest_of(engine)
    (engines,) = (tmp_path / "node").glob("edgeseg-cameras-*")
    assert not any(left.is_dir() for left in engines.iterdir())


def test_a_command_that_is_stopped_leaves_whole_outputs(engine: Path, tmp_path: Path) -> None:
    output = tmp_path / "gate.jsonl"
    command = [sys.executable, "-m", "edgeseg", "run", str(engine), "synthetic:64x48", "-o", str(output)]
    status = tmp_path / "status.json"
    with subprocess.Popen(
        [*command, "--ray", "local", "--status", str(status)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(status.exists)  # it is written whole
        until(
            lambda: any(
                one["stream"] and one["stream"]["results"]
                for one in json.loads(status.read_text())["cameras"]
            )
        )
        process.terminate()
        out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, err
    assert "synthetic: " in out, err
    assert indices(output) == list(range(len(indices(output))))


def test_a_head_that_hangs_and_a_process_that_dies_lose_no_results(engine: Path, tmp_path: Path) -> None:
    output = tmp_path / "gate.jsonl"
    command = [sys.executable, "-m", "edgeseg", "run", str(engine), "synthetic:64x48", "-o", str(output)]
    with subprocess.Popen(
        [*command, "--ray", "local"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: output.exists() and b"\n" in output.read_bytes())
        begun_s = time.monotonic()
        head = named(process.pid, "gcs_server")
        os.kill(head, signal.SIGSTOP)
        pauses = watched(output, HEAD_HANGS_S)
        os.kill(head, signal.SIGCONT)
        print(f"\nno result for {pauses:.1f} s while the head hung for {HEAD_HANGS_S:g} s")
        assert pauses < LEASE_S
        time.sleep(max(begun_s + AGAIN_S + 5 - time.monotonic(), 0.0))
        killed, killed_s = named(process.pid, "ray::Node"), time.monotonic()
        os.kill(killed, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{killed}").exists())  # and it writes no more
        before = output.read_bytes()
        until(lambda: len(list(tmp_path.glob("gate-*.jsonl"))) == 1)
        print(f"results {time.monotonic() - killed_s:.1f} s after the process died")
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, err
    assert output.read_bytes() == before
    assert "synthetic waits for a node" in err


def watched(output: Path, seconds: float) -> float:
    """Give the longest time within which an output did not grow."""
    end_s = grown_s = time.monotonic()
    end_s += seconds
    longest_s, size = 0.0, output.stat().st_size
    while (now_s := time.monotonic()) < end_s:
        if (new := output.stat().st_size) != size:
            size, grown_s = new, now_s
        longest_s = max(longest_s, now_s - grown_s)
        time.sleep(0.02)
    return longest_s


def named(process: int, name: str) -> int:
    """Give the process of a family whose command begins so, or whose program is called so."""
    commands = {one: Path(f"/proc/{one}/cmdline").read_bytes().decode() for one in family(process)}
    (found,) = [one for one, said in commands.items() if name in said.partition("\0")[0]]
    return found


def family(process: int) -> list[int]:
    """Give a process and all that it started: a raylet and what runs on its node."""
    found = [process]
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        for child in listing.read_text().split():
            found += family(int(child))
    return found


def change_weights(engine: Path) -> None:
    """Give an engine other weights, and a manifest that says they were built."""
    manifest = read_manifest(engine)
    (file,) = [path for path in engine.iterdir() if path.suffix == ".onnx"]
    model = onnx.load(file)
    weights = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    changed = numpy_helper.from_array(numpy_helper.to_array(weights) * 1.5 + 0.1, weights.name)
    weights.CopyFrom(changed)
    onnx.save(model, file)
    seal(engine, manifest)

"""A node whose engine hangs is given up, though it answers; a camera that only it can run harms no other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("onnx", reason="needs onnx, which makes the engine")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")

from edgeseg.cluster.cameras import Cameras
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from tests.cluster.waiting import have_results, look_until
from tests.runtime.tiny_models import labels_engine
from tests.servers.ray_cluster import ON_RAY, ray_cluster

pytestmark = ON_RAY
GIVEN_UP_S = 20.0  # 8 s until an engine counts as hung; the rest is a busy machine's
HANGING = """
import os, time
import onnxruntime
run = onnxruntime.InferenceSession.run

def hanging(*given, **named):
    while os.path.exists(os.environ["EDGESEG_TEST_HANG"]):
        time.sleep(0.1)
    return run(*given, **named)

onnxruntime.InferenceSession.run = hanging
"""
BROKEN = 'raise ImportError("libother.so.1: cannot open shared object file")'


@pytest.fixture
def hang(tmp_path: Path) -> Path:
    """A file that makes the engine of one node hang while it is there."""
    return tmp_path / "hang"


@pytest.fixture
def cluster(tmp_path: Path, hang: Path) -> Iterator[Any]:
    """One node for cameras, where the engine may hang, and a variable is set."""
    with ray_cluster(0, engines=tmp_path) as nodes:
        there = {"EDGESEG_TEST_HANG": str(hang), "EDGESEG_TEST_SIZE": "64x48"}
        add(nodes, "hanging", tmp_path, {"sitecustomize": HANGING}, **there)
        yield nodes


def add(nodes: Any, name: str, tmp_path: Path, modules: Mapping[str, str], **variables: str) -> None:
    """Add a node whose Python finds some modules first."""
    (tmp_path / name).mkdir()
    for module, text in modules.items():
        (tmp_path / name / f"{module}.py").write_text(text)
    nodes.add_node(num_cpus=1, node_name=name, env_vars={"PYTHONPATH": str(tmp_path / name), **variables})


def test_cameras_of_a_node_that_hangs_run_elsewhere(cluster: Any, tmp_path: Path, hang: Path) -> None:
    names = ("north", "east", "south", "west")
    streams = [StreamSettings("synthetic:64x48", name, "latest") for name in names]
    only_there = StreamSettings("synthetic:${EDGESEG_TEST_SIZE}", "there", "latest")
    settings = SiteSettings(str(labels_engine(tmp_path / "engine")), (only_there, *streams))
    said: list[str] = []
    with Cameras(settings, cluster.address, say=said.append) as cameras:
        look_until(cameras, have_results)
        add(cluster, "other", tmp_path, {})
        add(cluster, "broken", tmp_path, {"onnxruntime": BROKEN})
        states = {"hanging": "running", "other": "running", "broken": "refused"}
        status = look_until(cameras, lambda status: {one.name: one.state for one in status.nodes} == states)
        assert "onnxruntime" in next(one.error for one in status.nodes if one.name == "broken")
        gone = {one.name for one in status.cameras if one.node == "hanging"} - {"there"}
        assert gone
        hang.touch()
        hung_s = time.monotonic()
        look_until(cameras, lambda _: all(any(f"{name}: runs on" in line for line in said) for name in gone))
        took_s = time.monotonic() - hung_s
        print(f"\n{len(gone)} cameras had results elsewhere {took_s:.1f} s after the engine hung")
        print("\n".join(said))
        assert any("its engine was silent for 8 s" in line for line in said)
        assert took_s < GIVEN_UP_S
        hang.unlink()
        status = look_until(
            cameras, lambda status: status.cameras[0].stream and status.cameras[0].stream.results > 5
        )
        assert status.cameras[0].node == "hanging"
        assert all(one.node != "broken" for one in status.cameras)

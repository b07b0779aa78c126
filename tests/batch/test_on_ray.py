"""A batch on Ray writes what one process writes, on one node or several, also when a node is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

from edgeseg.batch import BatchSettings, run_batch
from edgeseg.errors import EngineError, UsageError
from tests.batch.archives import bytes_of, rows_of, samples, write_pictures, write_tar, write_video
from tests.batch.deadly import FAILING, deadly_picture, have_a_fault
from tests.runtime.tiny_models import labels_engine
from tests.servers.ray_cluster import ON_RAY, ray_cluster

FAULT_AT_OPENING = """
import os, signal, sys

class Fault:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            os.kill(os.getpid(), signal.SIGKILL)

sys.meta_path.insert(0, Fault())
"""

pytestmark = ON_RAY


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_pictures(folder / "pictures", 60)
    write_video(folder / "film.mp4", frames=40, key_every=10)
    (folder / "broken.mp4").write_bytes(b"no film")
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one core each, on loopback."""
    with ray_cluster(1, 1, 1) as nodes:
        yield nodes


def test_a_cluster_of_this_machine_writes_the_same_bytes(
    archive: Path, settings: BatchSettings, whole: Path, tmp_path: Path
) -> None:
    report = run_batch(settings, [str(archive)], tmp_path / "out", workers=2, ray="local")
    assert (report.frames, report.errors, report.workers) == (100, 1, 2)
    assert bytes_of(tmp_path / "out") == bytes_of(whole)


def test_a_node_that_is_lost_loses_and_doubles_nothing(
    archive: Path, settings: BatchSettings, whole: Path, tmp_path: Path, cluster: Any
) -> None:
    lost = []

    def lose(frames: int) -> None:
        if not lost:
            node = cluster.worker_nodes.copy().pop()
            lost.append(node)
            os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)

    run_batch(settings, [str(archive)], tmp_path / "out", workers=2, ray=cluster.address, on_piece=lose)
    assert lost
    assert bytes_of(tmp_path / "out") == bytes_of(whole)


def test_what_kills_an_actor_is_a_row_and_all_beside_it_has_results(
    settings: BatchSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write_pictures(tmp_path / "in", 400)  # enough that an actor gets several pieces at once
    members = samples(20)
    write_tar(tmp_path / "in" / "a.tar", members)
    (tmp_path / "in" / "4.png").write_bytes(deadly_picture(4))
    (tmp_path / "in" / "5.png").write_bytes(deadly_picture(5, FAILING))
    write_tar(tmp_path / "in" / "a.tar", {**members, "000017.png": deadly_picture(17)})
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        have_a_fault(tmp_path / "fault", patch)
        report = run_batch(settings, [str(tmp_path / "in")], output, workers=1, ray="local")
    assert capfd.readouterr() == ("", "")  # all is in the rows
    assert (report.frames, report.errors) == (417, 3)
    failed = [row for row in rows_of(output) if row["error"]]
    died = "the process that segmented it died, 3 times"
    assert [(row["source"], row["index"], row["error"]) for row in failed] == [
        ("4.png", None, died),
        ("5.png", None, "segmenting it failed: RuntimeError: a fault"),
        ("a.tar", 17, died),
    ]
    assert run_batch(settings, [str(tmp_path / "in")], output, workers=1).errors == 0
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "calm", workers=1)
    assert bytes_of(output) == bytes_of(tmp_path / "calm")


def test_an_engine_that_kills_on_ray_ends_the_run(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", 2)
    have_a_fault(tmp_path / "fault", monkeypatch, FAULT_AT_OPENING)
    with pytest.raises(EngineError, match="no process of Ray's is ready to segment"):
        run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=2, ray="local")
    assert not list((tmp_path / "out" / "parts").iterdir())


def test_what_is_no_fault_of_the_archive_ends_the_run(
    archive: Path, settings: BatchSettings, tmp_path: Path
) -> None:
    broken = labels_engine(tmp_path / "engine")
    next(broken.glob("*.onnx")).write_bytes(b"")
    with pytest.raises(EngineError, match="is not the file that was built"):
        run_batch(BatchSettings(broken), [str(archive)], tmp_path / "out", workers=1, ray="local")


def test_a_cluster_that_is_not_there_is_one_line(
    archive: Path, settings: BatchSettings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"there is no Ray cluster at '127\.0\.0\.1:1'"):
        run_batch(settings, [str(archive)], tmp_path / "out", ray="127.0.0.1:1")

"""An MNN engine opens with its manifest's options, and says in one line why it does not."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.engines.apart.backend import ApartBackend
from edgeseg.engines.backend import Tensor, open_backend
from edgeseg.engines.job import BuildJob
from edgeseg.engines.mnn.build import write_files
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, MissingExtraError, UsageError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import engine_folder, read_manifest, seal
from edgeseg.runtime import Segmenter
from tests.engines.devices import check_opens_quietly
from tests.runtime.tiny_models import MODEL_FILE, instance_engine, labels_engine, logits_engine

pytestmark = pytest.mark.skipif(find_spec("MNN") is None, reason="MNN is not installed")

MODEL = "model.mnn"
DARK = np.zeros((1, 32, 48, 3), np.uint8)


def converted(engine: Path) -> Path:
    """Turn a tiny engine for ONNX Runtime into one for MNN, beside it."""
    spec = read_manifest(engine).spec
    folder = engine.with_name("mnn-" + engine.name)
    with engine_folder(folder) as staging:
        model = PortableModel.read(engine / MODEL_FILE)
        seal(staging, write_files(BuildJob(staging, model, "", spec, Request("mnn"), DARK, open_backend)))
    return folder


@pytest.fixture(scope="module")
def logits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(logits_engine(tmp_path_factory.mktemp("engine") / "logits"))


def test_an_engine_tells_what_it_takes_and_gives(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    assert backend.inputs == {"image": Tensor("uint8", (1, 32, 48, 3))}
    assert backend.outputs == {"logits": Tensor("float32", (1, 2, 4, 6))}
    assert {"mnn", "cpu", "vector_units"} == set(backend.built_on)


def test_outputs_are_the_callers(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    dark = backend.infer(DARK)["logits"]
    backend.infer(DARK + 255)
    np.testing.assert_allclose(dark[0, 0], 1)
    backend.close()
    np.testing.assert_allclose(dark[0, 0], 1)
    dark[:] = 0  # they can be written


def test_an_image_may_be_a_view(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    bright = np.full((1, 32, 96, 3), 255, np.uint8)[:, :, ::2]
    np.testing.assert_allclose(backend.infer(bright)["logits"][0, 1], 1)


@pytest.mark.parametrize("options", [{}, {"threads": 1}, {"threads": 1024}, {"winograd": "none"}])
def test_the_manifests_options_open(options: dict[str, Any], logits: Path) -> None:
    manifest = dataclasses.replace(read_manifest(logits), options=options)
    backend = open_backend(logits, manifest)
    np.testing.assert_allclose(backend.infer(DARK)["logits"][0, 0], 1)


def test_several_threads_may_infer_at_once_and_each_gets_its_own_result(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    images = [DARK + i for i in range(0, 240, 10)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(backend.infer, images))
    expected = [image[0, 0, 0, 0] / 127.5 - 1 for image in images]
    np.testing.assert_allclose([result["logits"][0, 1, 0, 0] for result in results], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["labels", "instances", "nothing"])
def test_a_segmenter_runs_it(kind: str, tmp_path: Path) -> None:
    if kind == "labels":
        made = labels_engine(tmp_path / "engine")
    else:
        boxes, scores = ([[0, 0, 24, 16]], [0.9]) if kind == "instances" else ([], [])
        made = instance_engine(tmp_path / "engine", boxes, scores)
    frame = np.full((40, 60, 3), 255, np.uint8)
    with Segmenter.open(made) as reference, Segmenter.open(converted(made), threads=1) as segment:
        expected, found = reference(frame), segment(frame)
    for name in ("labels", "boxes", "scores", "class_ids", "masks"):
        if hasattr(expected, name):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_wrong_input_is_one_line(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    with pytest.raises(EngineError, match=r"MNN failed: .* shape \(1, 32, 48, 3\), got uint8 \(1, 3, 3, 3\)"):
        backend.infer(np.zeros((1, 3, 3, 3), np.uint8))
    np.testing.assert_allclose(backend.infer(DARK)["logits"][0, 0], 1)


def test_a_closed_engine_says_so(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    backend.close()
    backend.close()
    with pytest.raises(EngineError, match="is closed"):
        backend.infer(DARK)


def test_a_process_that_was_killed_is_one_line(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    assert isinstance(backend, ApartBackend)
    os.kill(backend.process_id, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(
            EngineError, match="MNN failed: its process ended by SIGKILL; open the engine again"
        ):
            backend.infer(DARK)
    backend.close()


def test_its_process_ends_with_the_engine(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    assert isinstance(backend, ApartBackend)
    backend.close()
    with pytest.raises(ProcessLookupError):
        os.kill(backend.process_id, 0)


def test_its_process_ends_with_a_parent_that_is_killed(logits: Path) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from edgeseg.engines.backend import open_backend
from edgeseg.manifest import read_manifest
folder = Path({str(logits)!r})
backend = open_backend(folder, read_manifest(folder))
print(backend.process_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    deadline = time.monotonic() + 20
    while _runs(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(int(done.stdout))


def _runs(process_id: int) -> bool:
    """Whether a process is there, and not only waits for somebody to read its status."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_corrupt_engine_is_one_line(logits: Path, tmp_path: Path) -> None:
    manifest = dataclasses.replace(read_manifest(logits), files={MODEL: ""})
    for damaged in (b"", b"not a model" * 100, (logits / MODEL).read_bytes()[:200]):
        (tmp_path / MODEL).write_bytes(damaged)
        with pytest.raises(EngineError, match=r"MNN cannot open .*: Invalid") as caught:
            open_backend(tmp_path, manifest)
        assert "\n" not in str(caught.value)


def test_a_changed_model_is_refused(logits: Path, tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes((logits / MODEL).read_bytes() + b"x")
    with pytest.raises(EngineError, match="is not the file that was built"):
        open_backend(tmp_path, read_manifest(logits))


def test_devices_are_refused_by_name(logits: Path) -> None:
    with pytest.raises(UsageError, match="MNN has no device 'cuda'; it has cpu"):
        open_backend(logits, read_manifest(logits), device="cuda")


@pytest.mark.parametrize("key", ["mnn", "cpu", "vector_units"])
def test_an_engine_built_elsewhere_is_refused_with_the_command_that_fixes_it(logits: Path, key: str) -> None:
    manifest = dataclasses.replace(read_manifest(logits), built_on={key: "another"})
    with pytest.raises(EngineError, match=rf"built for {key} another, .*: edgeseg build .* mnn"):
        open_backend(logits, manifest)


def test_without_mnn_the_error_says_what_to_install(logits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MNN", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgeseg\[mnn\]'"):
        Segmenter.open(logits)


def test_it_opens_where_torch_and_onnx_cannot_be_imported_and_prints_nothing(
    logits: Path, tmp_path: Path
) -> None:
    check_opens_quietly(logits, tmp_path)

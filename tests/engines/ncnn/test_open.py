"""An ncnn engine opens with its manifest's options, and says in one line why it does not."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.engines.apart.backend import ApartBackend
from edgeseg.engines.backend import Tensor, open_backend
from edgeseg.engines.job import BuildJob
from edgeseg.engines.ncnn.build import write_files
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, MissingExtraError, UsageError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import engine_folder, read_manifest, seal
from edgeseg.runtime import Segmenter
from tests.engines.devices import check_opens_quietly
from tests.engines.ncnn.graphs import bright_blue
from tests.runtime.specs import logits_spec

pytestmark = pytest.mark.skipif(find_spec("ncnn") is None, reason="ncnn is not installed")

MODEL, WEIGHTS = "model.param", "model.bin"
DARK = np.zeros((1, 32, 48, 3), np.uint8)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ncnn") / "engine"
    with engine_folder(folder) as staging:
        model = PortableModel.of(bright_blue(), "bright blue")
        job = BuildJob(staging, model, "", logits_spec((32, 48)), Request("ncnn"), DARK, open_backend)
        seal(staging, write_files(job))
    return folder


def test_an_engine_tells_what_it_takes_and_gives(engine: Path) -> None:
    backend = open_backend(engine, read_manifest(engine))
    assert backend.inputs == {"image": Tensor("uint8", (1, 32, 48, 3))}
    assert backend.outputs == {"logits": Tensor("float32", (1, 2, 4, 6))}
    assert {"ncnn", "cpu", "vector_units"} == set(backend.built_on)


def test_outputs_are_the_callers(engine: Path) -> None:
    backend = open_backend(engine, read_manifest(engine))
    dark = backend.infer(DARK)["logits"]
    backend.infer(DARK + 255)
    np.testing.assert_allclose(dark[0, 0], 1, rtol=1e-6)
    backend.close()
    np.testing.assert_allclose(dark[0, 0], 1, rtol=1e-6)
    dark[:] = 0  # they can be written


def test_an_image_may_be_a_view(engine: Path) -> None:
    backend = open_backend(engine, read_manifest(engine))
    bright = np.full((1, 32, 96, 3), 255, np.uint8)[:, :, ::2]
    np.testing.assert_allclose(backend.infer(bright)["logits"][0, 1], 1, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"threads": 1}, {"threads": 1024, "spinning": True}])
def test_the_manifests_options_open(options: dict[str, Any], engine: Path) -> None:
    manifest = dataclasses.replace(read_manifest(engine), options=options)
    backend = open_backend(engine, manifest)
    np.testing.assert_allclose(backend.infer(DARK)["logits"][0, 0], 1, rtol=1e-6)


def test_several_threads_may_infer_at_once_and_each_gets_its_own_result(engine: Path) -> None:
    backend = open_backend(engine, read_manifest(engine))
    images = [DARK + i for i in range(0, 240, 10)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(backend.infer, images))
    expected = [image[0, 0, 0, 0] / 127.5 - 1 for image in images]
    np.testing.assert_allclose([result["logits"][0, 1, 0, 0] for result in results], expected, atol=1e-6)


def test_a_wrong_input_is_one_line(engine: Path) -> None:
    backend = open_backend(engine, read_manifest(engine))
    with pytest.raises(
        EngineError, match=r"ncnn failed: .* shape \(1, 32, 48, 3\), got uint8 \(1, 3, 3, 3\)"
    ):
        backend.infer(np.zeros((1, 3, 3, 3), np.uint8))
    np.testing.assert_allclose(backend.infer(DARK)["logits"][0, 0], 1, rtol=1e-6)


def test_a_process_that_was_killed_is_one_line(engine: Path) -> None:
    backend = open_backend(engine, read_manifest(engine))
    assert isinstance(backend, ApartBackend)
    os.kill(backend.process_id, signal.SIGKILL)
    with pytest.raises(EngineError, match="ncnn failed: its process ended by SIGKILL; open the engine again"):
        backend.infer(DARK)
    backend.close()


@pytest.mark.parametrize(
    ("file", "content"),
    [(MODEL, b""), (MODEL, b"not a model\n" * 100), (WEIGHTS, b""), (WEIGHTS, b"\0" * 20)],
)
def test_a_corrupt_engine_is_one_line(file: str, content: bytes, engine: Path, tmp_path: Path) -> None:
    for name in (MODEL, WEIGHTS):
        (tmp_path / name).write_bytes(content if name == file else (engine / name).read_bytes())
    manifest = dataclasses.replace(read_manifest(engine), files={MODEL: "", WEIGHTS: ""})
    with pytest.raises(EngineError, match=r"ncnn cannot open .*: ") as caught:
        open_backend(tmp_path, manifest)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [MODEL, WEIGHTS])
def test_a_changed_file_is_refused(file: str, engine: Path, tmp_path: Path) -> None:
    for name in (MODEL, WEIGHTS):
        (tmp_path / name).write_bytes((engine / name).read_bytes() + b"x" * (name == file))
    with pytest.raises(EngineError, match="is not the file that was built"):
        open_backend(tmp_path, read_manifest(engine))


def test_devices_are_refused_by_name(engine: Path) -> None:
    with pytest.raises(UsageError, match="ncnn has no device 'cuda'; it has cpu"):
        open_backend(engine, read_manifest(engine), device="cuda")


@pytest.mark.parametrize("key", ["ncnn", "cpu", "vector_units"])
def test_an_engine_built_elsewhere_is_refused_with_the_command_that_fixes_it(engine: Path, key: str) -> None:
    manifest = dataclasses.replace(read_manifest(engine), built_on={key: "another"})
    with pytest.raises(EngineError, match=rf"built for {key} another, .*: edgeseg build .* ncnn"):
        open_backend(engine, manifest)


def test_without_ncnn_the_error_says_what_to_install(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgeseg\[ncnn\]'"):
        Segmenter.open(engine)


def test_it_opens_where_torch_and_onnx_cannot_be_imported_and_prints_nothing(
    engine: Path, tmp_path: Path
) -> None:
    check_opens_quietly(engine, tmp_path)

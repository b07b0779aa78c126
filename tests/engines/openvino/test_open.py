"""An OpenVINO engine opens with its manifest's options, and says in one line why it does not."""

from __future__ import annotations

import dataclasses
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.engines.backend import Tensor, open_backend
from edgeseg.errors import EngineError, MissingExtraError, UsageError
from edgeseg.manifest import engine_folder, read_manifest, seal
from edgeseg.runtime import Segmenter
from tests.runtime.tiny_models import MODEL_FILE, instance_engine, labels_engine, logits_engine

openvino = pytest.importorskip("openvino")

BLOB = "model.blob"
DARK = np.zeros((1, 32, 48, 3), np.uint8)


def compiled(engine: Path) -> Path:
    """Turn a tiny engine for ONNX Runtime into one for OpenVINO, beside it."""
    manifest = read_manifest(engine)

    folder = engine.with_name("openvino-" + engine.name)
    with engine_folder(folder) as staging:
        core = openvino.Core()
        blob = core.compile_model(str(engine / MODEL_FILE), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        (staging / BLOB).write_bytes(blob.export_model().getbuffer())
        seal(staging, dataclasses.replace(manifest, backend="openvino", files={BLOB: ""}, options={}))
    return folder


@pytest.fixture(scope="module")
def logits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(logits_engine(tmp_path_factory.mktemp("engine") / "logits"))


def test_an_engine_tells_what_it_takes_and_gives(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    assert backend.inputs == {"image": Tensor("uint8", (1, 32, 48, 3))}
    assert backend.outputs == {"logits": Tensor("float32", (1, 2, 4, 6))}
    assert {"openvino", "cpu", "vector_units"} == set(backend.built_on)


def test_outputs_are_the_callers(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    dark = backend.infer(DARK)["logits"]
    backend.infer(DARK + 255)
    np.testing.assert_allclose(dark[0, 0], 1)
    backend.close()
    np.testing.assert_allclose(dark[0, 0], 1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_compiled_model_is_mapped_until_the_engine_is_closed(logits: Path) -> None:
    def is_mapped() -> bool:
        gc.collect()
        return str(logits.resolve() / BLOB) in Path("/proc/self/maps").read_text()

    with closing(open_backend(logits, read_manifest(logits))) as backend:
        assert is_mapped()
        np.testing.assert_allclose(backend.infer(DARK)["logits"][0, 0], 1)
    assert not is_mapped()


@pytest.mark.parametrize(
    "options", [{}, {"threads": 1}, {"pinned": False}, {"streams": 2}, {"inference_precision": "bf16"}]
)
def test_the_manifests_options_open(options: dict[str, Any], logits: Path) -> None:
    manifest = dataclasses.replace(read_manifest(logits), options={"model_file": BLOB, **options})
    backend = open_backend(logits, manifest)
    np.testing.assert_allclose(backend.infer(DARK)["logits"][0, 0], 1)


def test_several_threads_may_infer_at_once_and_each_gets_its_own_result(logits: Path) -> None:
    manifest = dataclasses.replace(read_manifest(logits), options={"streams": 2})
    backend = open_backend(logits, manifest)
    images = [DARK + i for i in range(0, 240, 10)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(backend.infer, images))
    expected = [image[0, 0, 0, 0] / 127.5 - 1 for image in images]
    np.testing.assert_allclose([result["logits"][0, 1, 0, 0] for result in results], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["labels", "instances"])
def test_a_segmenter_runs_it(kind: str, tmp_path: Path) -> None:
    if kind == "labels":
        made = labels_engine(tmp_path / "engine")
    else:
        made = instance_engine(tmp_path / "engine", [[0, 0, 24, 16]], [0.9])
    frame = np.full((40, 60, 3), 255, np.uint8)
    with Segmenter.open(made) as reference, Segmenter.open(compiled(made), threads=1) as segment:
        expected, found = reference(frame), segment(frame)
    for name in ("labels", "boxes", "scores", "class_ids", "masks"):
        if hasattr(expected, name):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_wrong_input_is_one_line(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    with pytest.raises(EngineError, match=r"OpenVINO failed: .*\[1,3,3,3\]") as caught:
        backend.infer(np.zeros((1, 3, 3, 3), np.uint8))
    assert "\n" not in str(caught.value)


def test_a_closed_engine_says_so(logits: Path) -> None:
    backend = open_backend(logits, read_manifest(logits))
    backend.close()
    backend.close()
    with pytest.raises(EngineError, match="is closed"):
        backend.infer(DARK)


def test_a_corrupt_engine_is_one_line(logits: Path, tmp_path: Path) -> None:
    manifest = dataclasses.replace(read_manifest(logits), files={BLOB: ""})
    refused = {
        b"": r"model\.blob is empty; build the engine again",
        b"not a model" * 100: "OpenVINO cannot open",
        (logits / BLOB).read_bytes()[:200]: "OpenVINO cannot open",
    }
    for damaged, said in refused.items():
        (tmp_path / BLOB).write_bytes(damaged)
        with pytest.raises(EngineError, match=said) as caught:
            open_backend(tmp_path, manifest)
        assert "\n" not in str(caught.value)


def test_devices_are_refused_by_name(logits: Path) -> None:
    manifest = read_manifest(logits)
    with pytest.raises(UsageError, match="OpenVINO has no device 'cuda'; it has cpu, gpu"):
        open_backend(logits, manifest, device="cuda")
    with pytest.raises(EngineError, match="edgeseg build --backend openvino --device gpu"):
        open_backend(logits, manifest, device="gpu")


@pytest.mark.parametrize("key", ["openvino", "cpu", "vector_units"])
def test_an_engine_built_elsewhere_is_refused_with_the_command_that_fixes_it(logits: Path, key: str) -> None:
    manifest = dataclasses.replace(read_manifest(logits), built_on={key: "another"})
    with pytest.raises(EngineError, match=rf"built for {key} another, .*: edgeseg build .* openvino"):
        open_backend(logits, manifest)


def test_without_openvino_the_error_says_what_to_install(
    logits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgeseg\[openvino\]'"):
        Segmenter.open(logits)

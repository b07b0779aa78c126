from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeseg.engines.backend import Tensor, open_backend
from edgeseg.errors import EngineError, MissingExtraError
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.runtime import Segmenter
from edgeseg.spec import OutputSpec
from tests.runtime.tiny_models import MODEL_FILE, labels_engine, logits_engine, write_tiny_engine


def changed(manifest: Manifest, **options: Any) -> Manifest:
    return dataclasses.replace(manifest, options={**manifest.options, **options})


def test_a_session_tells_what_it_takes_and_gives(tmp_path: Path) -> None:
    engine = logits_engine(tmp_path / "engine")
    backend = open_backend(engine, read_manifest(engine))
    assert backend.inputs == {"image": Tensor("uint8", (1, 32, 48, 3))}
    assert backend.outputs == {"logits": Tensor("float32", (1, 2, 4, 6))}


def test_outputs_are_the_callers(tmp_path: Path) -> None:
    engine = logits_engine(tmp_path / "engine")
    backend = open_backend(engine, read_manifest(engine))
    image = np.zeros((1, 32, 48, 3), np.uint8)
    dark = backend.infer(image)["logits"]
    backend.infer(image + 255)
    np.testing.assert_allclose(dark[0, 0], 1)


@pytest.mark.parametrize(
    "options",
    [
        {"execution_mode": "parallel"},
        {"graph_optimization": "disabled"},
        {"intra_op_threads": 2},
        {"spinning": False},
    ],
)
def test_the_manifests_options_open(options: dict[str, Any], tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    backend = open_backend(engine, changed(read_manifest(engine), **options), threads=1)
    assert backend.infer(np.zeros((1, 32, 48, 3), np.uint8))["labels"].shape == (1, 32, 48)


def test_weights_in_another_file_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = labels_engine(tmp_path / "engine")
    manifest = read_manifest(engine)
    model = onnx.load(engine / MODEL_FILE)
    (bright,) = (tensor for tensor in model.graph.initializer if tensor.name == "bright")
    data = bright.raw_data
    bright.ClearField("raw_data")
    bright.data_location = onnx.TensorProto.EXTERNAL
    bright.external_data.add(key="location", value="bright.bin")
    options = {"graph_optimization": "disabled"}
    write_tiny_engine(engine, model.SerializeToString(), manifest.spec, options)
    for folder in (engine, tmp_path):
        (folder / "bright.bin").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match="ONNX Runtime cannot open") as caught:
        Segmenter.open(engine)
    assert "\n" not in str(caught.value)


def test_a_wrong_input_is_one_line(tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    backend = open_backend(engine, read_manifest(engine))
    with pytest.raises(EngineError, match="ONNX Runtime failed") as caught:
        backend.infer(np.zeros((1, 3, 3, 3), np.uint8))
    assert "\n" not in str(caught.value)


def test_a_corrupt_graph_is_one_line(tmp_path: Path) -> None:
    good = labels_engine(tmp_path / "good")
    manifest = read_manifest(good)
    engine = write_tiny_engine(tmp_path / "bad", b"not a graph", manifest.spec, manifest.options)
    with pytest.raises(EngineError, match="cannot open") as caught:
        Segmenter.open(engine)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_never_falls_back_to_the_cpu(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime knows CUDA")
    engine = labels_engine(tmp_path / "engine")
    with pytest.raises(EngineError, match=r"edgeseg\[gpu\]"):
        Segmenter.open(engine, device="cuda")
    with pytest.raises(EngineError, match=r"edgeseg\[gpu\]"):
        open_backend(engine, dataclasses.replace(read_manifest(engine), device="tensorrt"))


def test_a_graph_optimised_for_one_device_does_not_run_on_another(tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    manifest = changed(read_manifest(engine), graph_optimization="disabled")
    with pytest.raises(EngineError, match="build --device cuda"):
        open_backend(engine, manifest, device="cuda")


def test_without_onnxruntime_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = labels_engine(tmp_path / "engine")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgeseg\[cpu\]'"):
        Segmenter.open(engine)


def test_an_unknown_backend_is_named(tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    manifest = dataclasses.replace(read_manifest(engine), backend="abacus")
    with pytest.raises(EngineError, match="'abacus'"):
        open_backend(engine, manifest)


@pytest.mark.parametrize(
    "output",
    [
        OutputSpec("labels", "float32", (1, 32, 48)),
        OutputSpec("labels", "uint8", (1, 32, 47)),
        OutputSpec("labels", "uint8", (1, 1, 32, 48)),
    ],
)
def test_a_graph_that_is_not_what_its_spec_says_is_refused(output: OutputSpec, tmp_path: Path) -> None:
    good = labels_engine(tmp_path / "good")
    manifest = read_manifest(good)
    spec = dataclasses.replace(manifest.spec, outputs=(output,))
    model = (good / "model.onnx").read_bytes()
    with pytest.raises(EngineError, match="output labels is uint8"):
        Segmenter.open(write_tiny_engine(tmp_path / "bad", model, spec, manifest.options))
    wider = dataclasses.replace(manifest.spec, input=dataclasses.replace(manifest.spec.input, width=64))
    with pytest.raises(EngineError, match="input image is uint8"):
        Segmenter.open(write_tiny_engine(tmp_path / "bad", model, wider, manifest.options))
    names = dataclasses.replace(
        manifest.spec, output_kind="logits", outputs=(OutputSpec("logits", "float32", (1, 2, 4, 6)),)
    )
    with pytest.raises(EngineError, match="outputs are labels, its spec says logits"):
        Segmenter.open(write_tiny_engine(tmp_path / "bad", model, names, manifest.options))

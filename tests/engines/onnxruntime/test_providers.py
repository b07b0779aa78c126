"""Execution providers get their options, and nothing falls back to the CPU silently.

None is installed where these tests run: ONNX Runtime's side is played by a fake, or its CPU provider.
"""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edgeseg.engines import cuda
from edgeseg.engines.backend import open_backend
from edgeseg.engines.onnxruntime.open import BoundBackend
from edgeseg.engines.onnxruntime.providers import LIBRARY, PROVIDERS, built_on, fallback_nodes, providers_for
from edgeseg.errors import EngineError, NoDeviceError, UsageError
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.spec import CRFSpec, Precision
from tests.runtime.tiny_models import BRIGHT, labels_engine, logits_engine

RECORD = "session.record_ep_graph_assignment_info"
EVERY = [name for names in PROVIDERS.values() for name in names]


class FakeRuntime:
    """What of ONNX Runtime chooses providers; `plugins` are known once their library is registered."""

    def __init__(self, present: list[str], plugins: tuple[str, ...] = ()) -> None:
        self._present, self._plugins = present, plugins
        self.libraries: dict[str, str] = {}

    def get_available_providers(self) -> list[str]:
        return self._present

    def get_ep_devices(self) -> list[Any]:
        return [SimpleNamespace(ep_name=name) for name in self._plugins if name in self.libraries]

    def register_execution_provider_library(self, name: str, library: str) -> None:
        if not Path(library).exists():
            raise RuntimeError(f"cannot load {library}\nat line 7")
        self.libraries[name] = library


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return read_manifest(labels_engine(tmp_path / "engine"))


def chosen(manifest: Manifest, device: str, precision: Precision = "fp32") -> dict[str, dict[str, str]]:
    manifest = dataclasses.replace(manifest, precision=precision)
    return dict(providers_for(FakeRuntime(EVERY), None, manifest, device, 2))


@pytest.mark.parametrize("device", PROVIDERS)
def test_a_device_brings_its_provider_and_those_behind_it(device: str, manifest: Manifest) -> None:
    assert tuple(chosen(manifest, device)) == PROVIDERS[device]


def test_what_is_compiled_is_kept_in_the_users_cache_by_model(manifest: Manifest, tmp_path: Path) -> None:
    tensorrt = chosen(manifest, "tensorrt")["TensorrtExecutionProvider"]
    rtx = chosen(manifest, "tensorrt_rtx")["NvTensorRTRTXExecutionProvider"]
    openvino = json.loads(chosen(manifest, "openvino")["OpenVINOExecutionProvider"]["load_config"])["CPU"]
    folders = (tensorrt["trt_engine_cache_path"], rtx["nv_runtime_cache_path"], openvino["CACHE_DIR"])
    assert len(set(folders)) == 3
    for folder in map(Path, folders):
        assert folder.is_dir()
        assert folder.parent == tmp_path / "cache" / "edgeseg"
        assert manifest.model_sha256[:16] in folder.name


def test_no_provider_computes_in_less_than_the_graph_says(manifest: Manifest) -> None:
    assert chosen(manifest, "cuda")["CUDAExecutionProvider"] == {"use_tf32": "0"}
    assert chosen(manifest, "cuda", "fp16")["CUDAExecutionProvider"] == {}
    graph = dataclasses.replace(manifest.spec.graph, crf_stride=8)
    spec = dataclasses.replace(manifest.spec, graph=graph, crf=CRFSpec(64))
    with_crf = dataclasses.replace(manifest, spec=spec)
    assert chosen(with_crf, "cuda", "fp16")["CUDAExecutionProvider"] == {"use_tf32": "0"}
    for precision, enabled in (("fp32", "00"), ("fp16", "10"), ("int8", "01")):
        options = chosen(manifest, "tensorrt", precision)["TensorrtExecutionProvider"]
        assert options["trt_fp16_enable"] + options["trt_int8_enable"] == enabled
    config = json.loads(chosen(manifest, "openvino")["OpenVINOExecutionProvider"]["load_config"])
    assert config["CPU"]["INFERENCE_PRECISION_HINT"] == "f32"
    assert config["CPU"]["INFERENCE_NUM_THREADS"] == "2"


def test_a_cache_that_cannot_be_made_names_the_variable(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="set XDG_CACHE_HOME to a folder that can be written"):
        chosen(manifest, "tensorrt")


@pytest.mark.parametrize(
    ("device", "fix"),
    [
        ("cuda", r"pip install 'edgeseg\[gpu\]'"),
        ("tensorrt", r"pip install 'edgeseg\[gpu\]'"),
        ("tensorrt_rtx", LIBRARY),
        ("openvino", "pip install onnxruntime-openvino"),
    ],
)
def test_an_absent_provider_says_what_brings_it(device: str, fix: str, manifest: Manifest) -> None:
    with pytest.raises(EngineError, match=rf"has no {PROVIDERS[device][0]} .*{fix}"):
        providers_for(FakeRuntime(["CPUExecutionProvider"]), None, manifest, device, 0)


def test_an_unknown_device_is_wrong_usage(manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="no device 'abacus'; it has cpu, cuda"):
        providers_for(FakeRuntime(EVERY), None, manifest, "abacus", 0)


def test_a_provider_of_its_own_library_is_loaded(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rtx = PROVIDERS["tensorrt_rtx"][0]
    runtime = FakeRuntime(["CPUExecutionProvider"], plugins=(rtx,))
    added: list[tuple[str, Any]] = []
    options = SimpleNamespace(
        add_provider_for_devices=lambda devices, options: added.append((devices[0].ep_name, options))
    )
    monkeypatch.setenv(LIBRARY, str(tmp_path / "nothing.so"))
    with pytest.raises(EngineError, match=rf"{LIBRARY}=.*nothing.so cannot be loaded") as caught:
        providers_for(runtime, options, manifest, "tensorrt_rtx", 0)
    assert "\n" not in str(caught.value)
    (tmp_path / "provider.so").touch()
    monkeypatch.setenv(LIBRARY, str(tmp_path / "provider.so"))
    assert providers_for(runtime, options, manifest, "tensorrt_rtx", 0) == []
    ((name, given),) = added
    assert name == rtx
    assert "nv_runtime_cache_path" in given


@pytest.mark.skipif(
    not hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info"),
    reason="ONNX Runtime tells from 1.24 on",
)
def test_nodes_that_the_device_left_are_listed(manifest: Manifest, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(RECORD, "1")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "engine" / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    assert fallback_nodes(session, "cpu") == {}
    found = fallback_nodes(session, "cuda")
    assert found is not None
    assert sorted(node.split()[0] for node in found["CPUExecutionProvider"]) == [
        "Cast", "Cast", "Gather", "Greater",
    ]  # fmt: skip


def test_an_older_runtime_does_not_tell() -> None:
    assert fallback_nodes(object(), "cuda") is None


def test_bound_outputs_are_the_callers(tmp_path: Path) -> None:
    """As on a GPU, with the CPU's memory in its place."""
    engine = logits_engine(tmp_path / "engine")
    session = onnxruntime.InferenceSession(str(engine / "model.onnx"), providers=["CPUExecutionProvider"])
    bound = BoundBackend(session, {}, None, ort=onnxruntime, memory="cpu")
    plain = open_backend(engine, read_manifest(engine))
    dark = np.zeros((1, 32, 48, 3), np.uint8)
    first = bound.infer(dark)["logits"]
    for image in (dark, dark + 100, np.asfortranarray(dark + 255)):
        np.testing.assert_array_equal(bound.infer(image)["logits"], plain.infer(image)["logits"])
    np.testing.assert_allclose(first[0, 0], 1)
    with pytest.raises(EngineError, match=r"takes images of shape \(1, 32, 48, 3\), got \(1, 3, 3, 3\)"):
        bound.infer(np.zeros((1, 3, 3, 3), np.uint8))
    bound.close()
    bound.close()
    with pytest.raises(EngineError, match="is closed"):
        bound.infer(dark)


def test_bound_memory_is_used_by_one_thread_at_a_time_and_dropped_after_the_last(tmp_path: Path) -> None:
    """There is one input on the device, which a thread must not fill while another's is computed."""
    engine = logits_engine(tmp_path / "engine")
    session = onnxruntime.InferenceSession(str(engine / "model.onnx"), providers=["CPUExecutionProvider"])
    bound = BoundBackend(session, {}, None, ort=onnxruntime, memory="cpu")
    greys = [7 * number % 256 for number in range(200)]

    def infer(grey: int) -> float:
        found = bound.infer(np.full((1, 32, 48, 3), grey, np.uint8))["logits"][0, 1]
        assert found.min() == found.max()
        return float(found[0, 0])

    with ThreadPoolExecutor(4) as pool:
        for grey, logit in zip(greys, pool.map(infer, greys), strict=True):
            assert logit == pytest.approx((grey - BRIGHT) / BRIGHT, abs=1e-5)
        running = [pool.submit(infer, grey) for grey in greys]
        running[5].result()
        bound.close()
    errors = [future.exception() for future in running]
    assert all(error is None or "is closed" in str(error) for error in errors)
    for grey, future in zip(greys, running, strict=True):
        if future.exception() is None:
            assert future.result() == pytest.approx((grey - BRIGHT) / BRIGHT, abs=1e-5)


def test_a_bound_run_that_fails_leaves_the_next_one_right(tmp_path: Path) -> None:
    engine = logits_engine(tmp_path / "engine")
    session = onnxruntime.InferenceSession(str(engine / "model.onnx"), providers=["CPUExecutionProvider"])
    errors = [RuntimeError("CUDA failure 700: an illegal access\nmore")]

    def run(binding: Any) -> None:
        if errors:
            raise errors.pop()
        session.run_with_iobinding(binding)

    names = ("get_inputs", "get_outputs", "io_binding")
    failing = SimpleNamespace(**{name: getattr(session, name) for name in names}, run_with_iobinding=run)
    bound = BoundBackend(failing, {}, None, ort=onnxruntime, memory="cpu")
    with pytest.raises(EngineError, match=r"^ONNX Runtime failed: CUDA failure 700: an illegal access$"):
        bound.infer(np.full((1, 32, 48, 3), 255, np.uint8))
    np.testing.assert_allclose(bound.infer(np.zeros((1, 32, 48, 3), np.uint8))["logits"][0, 0], 1)
    bound.close()


def test_an_engine_for_a_gpu_is_tied_to_gpu_and_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> str:
        raise NoDeviceError("no GPU")

    monkeypatch.setattr(cuda, "device_name", lambda: "NVIDIA Orin, 8.7")
    monkeypatch.setattr(cuda, "driver_version", lambda: "13.0")
    assert built_on("tensorrt") == {"gpu": "NVIDIA Orin, 8.7", "driver": "CUDA 13.0"}
    assert set(built_on("openvino")) == {"cpu", "vector_units"}
    monkeypatch.setattr(cuda, "device_name", absent)
    assert built_on("cuda") == {}

"""What a manifest says of its backend has types and ranges, and names files of the engine alone."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgeseg.cli import status_of
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, UsageError
from edgeseg.manifest import MANIFEST_NAME
from edgeseg.runtime import Segmenter
from tests.runtime.tiny_models import labels_engine


def _changed(folder: Path, backend: str, options: dict[str, Any]) -> Path:
    path = labels_engine(folder) / MANIFEST_NAME
    parsed = json.loads(path.read_text())
    path.write_text(json.dumps({**parsed, "backend": backend, "options": options}))
    return folder


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("openvino", {"streams": 0}, "options.streams must be 1 to 256, got 0"),
        ("openvino", {"streams": -1}, "options.streams must be 1 to 256, got -1"),
        ("openvino", {"streams": 10**9}, "options.streams must be 1 to 256, got 1000000000"),
        ("openvino", {"streams": 10**30}, "options.streams must be at most"),
        ("openvino", {"streams": True}, "options.streams must be int, got bool True"),
        ("openvino", {"threads": -5}, "options.threads must be 0 to 1024, got -5"),
        ("openvino", {"pinned": 1}, "options.pinned must be bool"),
        ("openvino", {"inference_precision": "f8"}, "options.inference_precision must be one of"),
        ("openvino", {"model_file": "../secret"}, "has no file '../secret' that was built"),
        ("mnn", {"threads": -5}, "options.threads must be 0 to 1024, got -5"),
        ("mnn", {"winograd": "huge"}, "options.winograd must be one of"),
        ("mnn", {"outputs": [{"name": "labels"}]}, "options.outputs[0]"),
        ("mnn", {"model_file": "../secret"}, "has no file '../secret' that was built"),
        ("ncnn", {"threads": -5}, "options.threads must be 0 to 1024, got -5"),
        ("ncnn", {"weights_file": "../secret"}, "has no file "),
        ("onnxruntime", {"intra_op_threads": 10**9}, "options.intra_op_threads must be 0 to 1024"),
        ("onnxruntime", {"intra_op_threads": -1}, "options.intra_op_threads must be 0 to 1024"),
        ("onnxruntime", {"intra_op_threads": 1.5}, "options.intra_op_threads must be int, got float 1.5"),
        ("onnxruntime", {"execution_mode": "any"}, "options.execution_mode must be one of"),
        ("onnxruntime", {"model_file": "manifest.json"}, "has no file 'manifest.json' that was built"),
        ("onnxruntime", {"model_file": 3}, "options.model_file must be str"),
        ("onnxruntime", {"surprise": 3}, "options has unknown fields: surprise"),
        ("tensorrt", {"contexts": 0}, "options.contexts must be 1 to 64, got 0"),
        ("tensorrt_rtx", {"contexts": 10**9}, "options.contexts must be 1 to 64, got 1000000000"),
    ],
)
def test_options_out_of_range_are_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], backend: str, options: dict[str, Any], message: str
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    if (module := {"mnn": "MNN", "ncnn": "ncnn"}.get(backend)) and find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    engine = _changed(tmp_path / "engine", backend, options)
    with pytest.raises(EngineError) as caught:
        Segmenter.open(engine, device="cuda" if "tensorrt" in backend else None)
    assert message in str(caught.value)
    if "tensorrt" not in backend:
        assert status_of(["run", str(engine), "synthetic:64x48", "--frames", "1"]) == 1
        assert f"{message}" in capfd.readouterr().err


@pytest.mark.parametrize(
    "make",
    [
        lambda: Request("tensorrt", options={"contexts": 0}),
        lambda: Request("tensorrt", options={"workspace_mib": 10**9}),
        lambda: Request("tensorrt", options={"optimization_level": 6}),
        lambda: Request("tensorrt", options={"dla_core": -1}),
        lambda: Request(threads=0),
        lambda: Request(threads=10**9),
    ],
)
def test_what_a_builder_is_asked_has_ranges_too(make: Any) -> None:
    with pytest.raises(UsageError, match="must be"):
        make()

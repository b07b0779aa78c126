"""Replicas take the cores and GPUs that their engine needs, whatever the command line leaves out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgeseg.manifest import read_manifest
from edgeseg.serving.fitting import needs_of
from tests.runtime.tiny_models import labels_engine


@pytest.mark.parametrize(
    ("backend", "built_for", "device", "gpus"),
    [
        ("onnxruntime", "cpu", None, 0),
        ("onnxruntime", "cpu", "cuda", 1),
        ("onnxruntime", "cuda", None, 1),
        ("onnxruntime", "cuda", "cpu", 0),
        ("onnxruntime", "tensorrt_rtx", None, 1),
        ("tensorrt", "cuda", None, 1),
        ("openvino", "gpu", None, 0),  # Intel's, which Ray does not count
        ("openvino", "cpu", "gpu", 0),
    ],
)
def test_a_gpu_is_taken_where_the_engine_runs_on_one(
    tmp_path: Path, backend: str, built_for: str, device: str | None, gpus: int
) -> None:
    manifest = read_manifest(labels_engine(tmp_path / "engine"))
    manifest = dataclasses.replace(manifest, backend=backend, device=built_for)
    assert needs_of(manifest, device, 2) == (2.0, gpus)

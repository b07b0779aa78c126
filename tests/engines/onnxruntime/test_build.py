"""Weights of large networks lie in a file of their own, which is mapped, and compared with its hash."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.onnxruntime import build
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError
from edgeseg.manifest import read_manifest
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import picture
from tests.export import small_networks
from tests.exported_models import ExportedModels


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


@pytest.fixture
def engine(model: Path, tmp_path: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "MAPPED_BYTES", 0)
        assert build_engine(model, tmp_path / "engine", request=Request(threads=1)).parity.passed
    return tmp_path / "engine"


def test_large_weights_are_mapped_from_the_engines_folder(engine: Path, model: Path, tmp_path: Path) -> None:
    manifest = read_manifest(engine, check_files=True)
    assert manifest.options["weights_file"] in manifest.files
    frame = picture(0, (100, 120))
    with Segmenter.open(engine) as segment:
        labels = segment(frame).labels
        if sys.platform == "linux":
            assert str(engine.resolve() / build.WEIGHTS_FILE) in Path("/proc/self/maps").read_text()
    build_engine(model, tmp_path / "whole", request=Request(threads=1))
    assert build.WEIGHTS_FILE not in read_manifest(tmp_path / "whole").files
    with Segmenter.open(tmp_path / "whole") as segment:
        np.testing.assert_array_equal(segment(frame).labels, labels)


def test_changed_weights_are_refused(engine: Path) -> None:
    weights = bytearray((engine / build.WEIGHTS_FILE).read_bytes())
    weights[0] ^= 1
    (engine / build.WEIGHTS_FILE).write_bytes(weights)
    with pytest.raises(EngineError, match=r"model\.weights is not the file that was built"):
        Segmenter.open(engine)


def test_weights_that_another_file_takes_the_place_of_are_refused(
    engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    real = onnxruntime.InferenceSession

    def replace_and_open(*arguments: object, **options: object) -> object:
        weights = engine / build.WEIGHTS_FILE
        other = weights.with_suffix(".other")
        other.write_bytes(weights.read_bytes())
        other.replace(weights)
        return real(*arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", replace_and_open)
    with pytest.raises(EngineError, match="was changed while it was read; try again"):
        Segmenter.open(engine)

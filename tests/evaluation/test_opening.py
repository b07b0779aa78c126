"""An engine and its portable model give the same results through the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import EngineError, ExportError
from edgeseg.evaluation import open_segmenter
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.scenes.scene import generate
from tests.runtime.tiny_models import labels_engine, logits_engine, portable_model


def test_a_portable_model_computes_what_its_engine_does(tmp_path: Path) -> None:
    engine = logits_engine(tmp_path / "engine")
    model = portable_model(engine, tmp_path / "model.onnx")
    patches = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    frame = np.repeat(np.repeat(patches, 10, axis=0), 10, axis=1)
    found = []
    for path in (engine, model):
        with open_segmenter(path) as segmenter:
            assert segmenter.manifest.precision == "fp32"
            result = segmenter(frame)
            assert isinstance(result, SemanticResult)
            found.append(result.labels)
    assert (found[0] == found[1]).all()
    assert 0 < np.count_nonzero(found[0]) < found[0].size


def test_both_take_a_crf_and_tiles(tmp_path: Path) -> None:
    engine = logits_engine(tmp_path / "engine")
    for path in (engine, portable_model(engine, tmp_path / "model.onnx")):
        with open_segmenter(path, crf=True, tiles=Tiling()) as segmenter:
            assert segmenter.refinement is not None
            assert segmenter(generate(3, (60, 90)).image).frame_hw == (60, 90)


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not an engine"), open_segmenter(tmp_path):
        pass
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="not an ONNX file"), open_segmenter(tmp_path / "model.onnx"):
        pass
    engine = labels_engine(tmp_path / "engine")
    with (
        pytest.raises(ExportError, match="not made by edgeseg"),
        open_segmenter(engine / "model.onnx"),
    ):
        pass

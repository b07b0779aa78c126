"""Detectors as graphs, in the forms of the field's exports, give the objects that the graph gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from edgeseg.export import export
from edgeseg.graph.running import open_run
from tests.export.ready.ready_files import SIZE_HW, write_onnx
from tests.export.ready.small_detectors import FOUND, NAMES, SmallDetector

PIXELS = {"mean_rgb": (0.0, 0.0, 0.0), "std_rgb": (1.0, 1.0, 1.0), "channel_order": "rgb"}


@pytest.mark.parametrize("form", ["detectron2", "mmdetection"])
def test_boxes_scores_and_classes_are_those_of_the_graph(tmp_path: Path, form: str) -> None:
    torch.manual_seed(0)
    ready = write_onnx(SmallDetector(form).eval(), tmp_path / "ready.onnx", output_names=NAMES[form])
    made = export(
        str(ready),
        tmp_path / "made.onnx",
        size_hw=SIZE_HW,
        class_names=("background", "a", "b", "c"),
        **PIXELS,
    )
    assert made.parity.passed
    assert made.spec.task == "instance"
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE_HW, 3), np.uint8)
    pixels = frame[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    session = onnxruntime.InferenceSession(ready, providers=["CPUExecutionProvider"])
    expected = dict(zip(NAMES[form], session.run(None, {"pixels": pixels}), strict=True))
    boxes = expected.get("pred_boxes", expected.get("dets", np.empty(0))[..., :4].reshape(-1, 4))
    scores = expected.get("scores", expected.get("dets", np.empty(0))[..., 4:].ravel())
    found = open_run(made.path)(frame[None])
    kept = found["scores"][0] > 0
    assert kept.sum() == FOUND
    best = np.argsort(-scores)
    order = np.argsort(-found["scores"][0][kept])
    np.testing.assert_allclose(found["scores"][0][kept][order], scores[best], atol=1e-5)
    np.testing.assert_allclose(found["boxes"][0][kept][order], boxes[best], atol=1e-3)
    np.testing.assert_array_equal(found["class_ids"][0][kept][order], best + 1)

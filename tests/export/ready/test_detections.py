"""Detectors as graphs, in the forms of the field's exports, give the objects that the graph gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from edgeseg.engines import build
from edgeseg.errors import UsageError
from edgeseg.export import export
from edgeseg.export.exporter import Exported
from edgeseg.graph.running import open_run
from edgeseg.runtime import Segmenter
from edgeseg.scenes.scene import generate
from tests.export.ready.ready_files import SIZE_HW, write_onnx
from tests.export.ready.small_detectors import FOUND, NAMES, Form, SmallDetector, torchvision_detector

PIXELS = {"mean_rgb": (0.0, 0.0, 0.0), "std_rgb": (1.0, 1.0, 1.0), "channel_order": "rgb"}
CLASSES = ("background", "a", "b", "c")


def write(form: Form, folder: Path, *, names: list[str] | None = None) -> Path:
    torch.manual_seed(0)
    batched = form != "torchvision"
    module = SmallDetector(form).eval()
    return write_onnx(module, folder / "ready.onnx", batched=batched, output_names=names or NAMES[form])


def made_of(ready: Path, **said: object) -> Exported:
    output = ready.with_name("made.onnx")
    return export(str(ready), output, size_hw=SIZE_HW, **{"class_names": CLASSES, **PIXELS, **said})


def sampled(masks: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """Read masks (D, H, W) of the whole image at the centres of side x side cells of their boxes."""
    found = []
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        cells = (torch.arange(side) + 0.5) / side
        y, x = torch.meshgrid(y1 + cells * (y2 - y1), x1 + cells * (x2 - x1), indexing="ij")
        grid = torch.stack([2 * x / mask.shape[1] - 1, 2 * y / mask.shape[0] - 1], dim=-1)[None]
        plane = torch.from_numpy(mask.astype(np.float32))[None, None]
        found.append(F.grid_sample(plane, grid, padding_mode="border", align_corners=False)[0, 0].numpy())
    return np.stack(found)


@pytest.mark.parametrize("form", ["torchvision", "detectron2", "mmdetection"])
def test_objects_are_those_of_the_graph(tmp_path: Path, form: Form) -> None:
    ready = write(form, tmp_path)
    made = made_of(ready)
    assert made.parity.passed
    assert made.spec.task == "instance"
    assert made.parity.reference == "the graph as it came, in ONNX Runtime"
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE_HW, 3), np.uint8)
    pixels = frame[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    session = onnxruntime.InferenceSession(ready, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"pixels": pixels if form != "torchvision" else pixels[0]})
    own = dict(zip(NAMES[form], outputs, strict=True))
    if form == "mmdetection":
        boxes, scores = own["dets"][0, :, :4], own["dets"][0, :, 4]
        labels, masks = own["labels"][0] + 1, own["masks"][0]
    elif form == "detectron2":
        boxes, scores = own["pred_boxes"], own["scores"]
        labels, masks = own["pred_classes"] + 1, own["pred_masks"][:, 0]
    else:
        boxes, scores, labels, masks = own["boxes"], own["scores"], own["labels"], own["masks"][:, 0]
    found = {name: array[0] for name, array in open_run(made.path)(frame[None]).items()}
    assert len(found["scores"]) == FOUND
    np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
    np.testing.assert_allclose(found["boxes"], boxes, atol=1e-3)
    np.testing.assert_array_equal(found["class_ids"], labels)
    np.testing.assert_array_equal(found["class_ids"], [1, 2, 3])
    within = masks if form == "detectron2" else sampled(masks, boxes, found["masks"].shape[-1])
    np.testing.assert_allclose(found["masks"], within, atol=1e-3)


def test_what_torchvision_exports_finds_and_builds_what_torchvision_finds(tmp_path: Path) -> None:
    """It has its pixels' arithmetic inside, and conditions and loops, whose sizes depend on what it finds."""
    detector, size_hw = torchvision_detector(len(CLASSES)), (64, 64)
    sizes = {"pixels": {1: "h", 2: "w"}, **{name: {0: "n"} for name in NAMES["torchvision"]}}
    image = torch.rand(3, *size_hw)
    path = write_onnx(
        detector,
        tmp_path / "ready.onnx",
        opset=11,
        image=[image],
        output_names=NAMES["torchvision"],
        dynamic_axes=sizes,
    )
    made = export(
        str(path), tmp_path / "made.onnx", size_hw=size_hw, class_names=CLASSES, score_threshold=0.05
    )
    assert any("the arithmetic that ready.onnx begins with" in note for note in made.notes)
    build(made.path, tmp_path / "engine", passes=False)
    frame = generate(7, size_hw).image
    with Segmenter.open(tmp_path / "engine") as segment:
        result = segment(frame)
    with torch.inference_mode():
        image = torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1) / 255
        own = {name: value.numpy() for name, value in detector([image])[0].items()}
    kept = own["scores"] > 0.05
    assert kept.sum() > 1
    np.testing.assert_allclose(result.scores, own["scores"][kept], atol=1e-4)
    np.testing.assert_allclose(result.boxes, own["boxes"][kept], atol=1e-2)
    np.testing.assert_array_equal(result.class_ids, own["labels"][kept])
    agreement = [
        (mine == theirs).mean()
        for mine, theirs in zip(result.masks, own["masks"][kept, 0] > 0.5, strict=True)
    ]
    assert min(agreement) > 0.98  # pasted masks, sampled once more within their boxes


def test_labels_from_zero_are_known_by_what_is_found(tmp_path: Path) -> None:
    """Here no output's name says which library it is of."""
    ready = write("detectron2", tmp_path, names=["box", "class", "mask", "score"])
    found = open_run(made_of(ready).path)(np.zeros((1, *SIZE_HW, 3), np.uint8))
    np.testing.assert_array_equal(found["class_ids"][0], [1, 2, 3])


def test_that_label_0_is_the_background_is_said_where_it_is_assumed(tmp_path: Path) -> None:
    made = made_of(write("torchvision", tmp_path))
    assert any("--output-key first=0" in note for note in made.parity.notes)
    said = made_of(write("torchvision", tmp_path), output_of="first=1")
    assert not any("first=" in note for note in said.parity.notes)


def test_outputs_without_telling_names_are_asked_for_and_taken_by_name(tmp_path: Path) -> None:
    ready = write("torchvision", tmp_path, names=["boxes", "u", "v", "w"])
    made = made_of(ready, output_of="labels=u,scores=v,masks=w")
    assert made.parity.passed
    with pytest.raises(UsageError, match=r"v is no output with labels; the graph gives .*, u \(3\), v"):
        made_of(ready, output_of="labels=v")


def test_names_that_do_not_begin_with_the_background_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="begin with the background, got 'a'"):
        made_of(write("detectron2", tmp_path), class_names=("a", "b", "c"))


def test_too_few_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finds class 3, counted from the background"):
        made_of(write("detectron2", tmp_path), class_names=("background", "a", "b"))

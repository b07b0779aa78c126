"""Results lie in the frame where plain formulas say, and those of a wrong runtime do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgeseg.frames.geometry import Placement, place
from edgeseg.frames.instance import objects_in
from edgeseg.frames.results import InstanceResult, MaskCrop, SemanticResult
from edgeseg.frames.semantic import semantic_result
from edgeseg.proof.placing import grid, misplaced, placed
from edgeseg.spec import HeadSpec, MaskPasting, ModelSpec, ResizePolicy
from tests.runtime.specs import instances_spec, labels_spec, logits_spec

FRAME_HW = (211, 158)
POLICIES = ("stretch", "letterbox", "shortest_edge")
PASTINGS = ("whole_pixels", "pixel_centres")


def logits(spec: ModelSpec, classes: int = 2) -> dict[str, np.ndarray]:
    shape = (classes, spec.input.height // 8, spec.input.width // 8)
    return {"logits": np.random.default_rng(2).normal(0, 1, shape).astype(np.float32)}


def finished(outputs: dict[str, np.ndarray], placement: Placement, spec: ModelSpec) -> SemanticResult:
    return semantic_result({name: array[None] for name, array in outputs.items()}, placement, head=spec.head)


def shifted(placement: Placement) -> Placement:
    return dataclasses.replace(placement, top=placement.top + 1, height=placement.height - 1)


@pytest.mark.parametrize("resize", POLICIES)
@pytest.mark.parametrize("head", ["logits", "multilabel"])
def test_upsampled_logits_lie_where_they_must(resize: ResizePolicy, head: str) -> None:
    spec = dataclasses.replace(logits_spec((64, 96), resize=resize), head=HeadSpec(head))
    outputs, placement = logits(spec), place(FRAME_HW, spec.input)
    assert misplaced(outputs, finished(outputs, placement, spec), FRAME_HW, spec).failures() == []
    wrong = finished(outputs, shifted(placement), spec)
    assert misplaced(outputs, wrong, FRAME_HW, spec).pixels > 0


@pytest.mark.parametrize("resize", POLICIES)
def test_labels_lie_where_they_must(resize: ResizePolicy) -> None:
    spec = labels_spec((64, 96), resize=resize)
    outputs = {"labels": np.random.default_rng(2).integers(0, 2, (64, 96), dtype=np.uint8)}
    placement = place(FRAME_HW, spec.input)
    assert misplaced(outputs, finished(outputs, placement, spec), FRAME_HW, spec).failures() == []
    wrong = finished(outputs, shifted(placement), spec)
    assert misplaced(outputs, wrong, FRAME_HW, spec).failures() != []


def test_formulas_give_pytorchs_upsampling() -> None:
    torch = pytest.importorskip("torch")
    spec = logits_spec((64, 96))
    outputs = logits(spec)
    full = torch.nn.functional.interpolate(
        torch.from_numpy(outputs["logits"])[None], size=FRAME_HW, mode="bilinear"
    )
    labels = full[0].argmax(dim=0).numpy()[grid(FRAME_HW[0])[:, None], grid(FRAME_HW[1])]
    assert (placed(outputs, FRAME_HW, spec)["labels"] == labels).all()


def test_classes_that_tie_everywhere_are_nobodys_fault() -> None:
    spec = logits_spec((64, 96))
    outputs = {"logits": np.ones((2, 8, 12), np.float32)}
    result = SemanticResult(np.ones(FRAME_HW, np.uint8))
    assert misplaced(outputs, result, FRAME_HW, spec).pixels == 0


def detections(spec: ModelSpec) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    corners = rng.uniform(0, 40, (6, 2))
    boxes = np.hstack((corners, corners + rng.uniform(5, 24, (6, 2)))).astype(np.float32)
    masks = rng.uniform(0, 1, (6, 4, 4)).astype(np.float32)
    scores = np.array([0.6, 0.9, 0.2, 0.7, 0.0, 0.8], np.float32)
    return {"boxes": boxes, "scores": scores, "class_ids": np.arange(6) % 2 + 1, "masks": masks}


def pasted_as(pasting: MaskPasting, *, resize: ResizePolicy = "stretch") -> ModelSpec:
    spec = instances_spec(6, (64, 96), resize=resize)
    return dataclasses.replace(spec, thresholds=dataclasses.replace(spec.thresholds, pasting=pasting))


@pytest.mark.parametrize("pasting", PASTINGS)
@pytest.mark.parametrize("resize", POLICIES)
def test_objects_lie_where_they_must(resize: ResizePolicy, pasting: MaskPasting) -> None:
    spec = pasted_as(pasting, resize=resize)
    outputs, placement = detections(spec), place(FRAME_HW, spec.input)
    batched = {name: array[None] for name, array in outputs.items()}
    right = objects_in(batched, 0, placement, spec.thresholds)
    assert misplaced(outputs, right, FRAME_HW, spec).failures() == []
    wrong = objects_in(batched, 0, shifted(placement), spec.thresholds)
    assert misplaced(outputs, wrong, FRAME_HW, spec).box_px > 0.5
    fewer = right.select(np.arange(len(right) - 1))
    assert misplaced(outputs, fewer, FRAME_HW, spec).objects == 1


@pytest.mark.parametrize("pasting", PASTINGS)
def test_masks_of_others_are_noticed(pasting: MaskPasting) -> None:
    spec = pasted_as(pasting)
    outputs = detections(spec)
    batched = {name: array[None] for name, array in outputs.items()}
    batched["masks"] = batched["masks"][:, :, ::-1]
    wrong = objects_in(batched, 0, place(FRAME_HW, spec.input), spec.thresholds)
    assert misplaced(outputs, wrong, FRAME_HW, spec).pixels > 0


@pytest.mark.parametrize(("pasting", "other"), [PASTINGS, PASTINGS[::-1]])
def test_masks_pasted_in_the_other_way_are_noticed(pasting: MaskPasting, other: MaskPasting) -> None:
    spec = pasted_as(pasting)
    outputs = detections(spec)
    batched = {name: array[None] for name, array in outputs.items()}
    wrong = objects_in(batched, 0, place(FRAME_HW, spec.input), pasted_as(other).thresholds)
    assert misplaced(outputs, wrong, FRAME_HW, spec).pixels > 0


@pytest.mark.parametrize("pasting", PASTINGS)
def test_masks_that_end_too_early_are_noticed(pasting: MaskPasting) -> None:
    spec = pasted_as(pasting)
    outputs = {**detections(spec), "masks": np.ones((6, 4, 4), np.float32)}
    batched = {name: array[None] for name, array in outputs.items()}
    right = objects_in(batched, 0, place(FRAME_HW, spec.input), spec.thresholds)
    halves = tuple(crop._replace(mask=crop.mask[:, : crop.mask.shape[1] // 2]) for crop in right.crops())
    halved = InstanceResult(right.boxes, right.scores, right.class_ids, FRAME_HW, halves)
    assert misplaced(outputs, halved, FRAME_HW, spec).pixels > 0


@pytest.mark.parametrize("resize", POLICIES)
def test_masks_at_pixel_centres_are_those_that_pytorch_samples(resize: ResizePolicy) -> None:
    torch = pytest.importorskip("torch")
    spec = pasted_as("pixel_centres", resize=resize)
    outputs, (height, width) = detections(spec), FRAME_HW
    expected = placed(outputs, FRAME_HW, spec)
    crops = []
    for mask, box in zip(outputs["masks"][expected["order"]], expected["boxes"], strict=True):
        left, top, right, bottom = map(float, box)
        x = (torch.arange(width, dtype=torch.float64) + 0.5 - left) / (right - left) * 2 - 1
        y = (torch.arange(height, dtype=torch.float64) + 0.5 - top) / (bottom - top) * 2 - 1
        places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
        planes = torch.from_numpy(mask.astype(np.float64))[None, None]
        sampled = torch.nn.functional.grid_sample(planes, places, align_corners=False)
        crops.append(MaskCrop(0, 0, (sampled[0, 0] >= spec.thresholds.mask).numpy()))
    names = ("boxes", "scores", "class_ids")
    sampled_whole = InstanceResult(*(expected[name] for name in names), FRAME_HW, tuple(crops))
    assert misplaced(outputs, sampled_whole, FRAME_HW, spec).failures() == []
    batched = {name: array[None] for name, array in outputs.items()}
    ours = objects_in(batched, 0, place(FRAME_HW, spec.input), spec.thresholds)
    # A box's float32 coordinates, computed in two orders, move its mask by millionths of a pixel.
    assert (ours.masks != sampled_whole.masks).sum() <= 1


def test_no_object_is_in_its_place() -> None:
    spec = instances_spec(0, (64, 96))
    outputs = {
        "boxes": np.zeros((0, 4), np.float32),
        "scores": np.zeros(0, np.float32),
        "class_ids": np.zeros(0, np.int64),
        "masks": np.zeros((0, 4, 4), np.float32),
    }
    batched = {name: array[None] for name, array in outputs.items()}
    result = objects_in(batched, 0, place(FRAME_HW, spec.input), spec.thresholds)
    assert misplaced(outputs, result, FRAME_HW, spec).failures() == []

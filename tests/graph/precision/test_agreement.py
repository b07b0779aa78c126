"""Points are lost by the words of the task: mIoU of labels, F1 of objects."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgeseg.graph.precision.agreement import points_lost, true_miou
from edgeseg.spec import GraphSpec, HeadSpec, InputSpec, ModelSpec, OutputSpec, Provenance

NAMES = ("boxes", "scores", "class_ids", "masks")


def spec(task: str) -> ModelSpec:
    semantic = task == "semantic"
    names = ("labels",) if semantic else NAMES
    return ModelSpec(
        task="semantic" if semantic else "instance",
        class_names=("background", "nut"),
        input=InputSpec(20, 10),
        graph=GraphSpec((0.0,) * 3, (1.0,) * 3),
        output_kind="labels" if semantic else "instances",
        outputs=tuple(OutputSpec(name, "float32", (1,)) for name in names),
        source=Provenance("test"),
    )


def objects(boxes: list[list[float]], scores: list[float]) -> dict[str, np.ndarray]:
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array(scores, np.float32),
        "class_ids": np.ones(len(scores), np.int64),
        "masks": np.ones((len(scores), 4, 4), np.float32),
    }


def test_classes_that_overlap_lose_points_each_for_itself() -> None:
    """Where none is likely the largest log-odds are noise: only what is above 0 counts."""
    several = dataclasses.replace(
        spec("semantic"),
        output_kind="logits",
        outputs=(OutputSpec("logits", "float32", (1,)),),
        head=HeadSpec("multilabel"),
    )
    reference = np.full((2, 20, 10), -1, np.float32)
    reference[0, :10] = reference[1, :20] = 1
    same = np.where(reference > 0, reference, reference - np.arange(10, dtype=np.float32))
    assert points_lost([{"logits": reference}], [{"logits": same}], several) == 0
    candidate = reference.copy()
    candidate[0, 5:10] = -1  # class 0: 50 of 100 pixels; of neither: 100 of 150
    lost = points_lost([{"logits": reference}], [{"logits": candidate}], several)
    assert lost == pytest.approx(100 * (1 - (0.5 + 1 + 100 / 150) / 3))


def test_the_likeliest_of_classes_that_overlap_is_held_against_the_truth() -> None:
    several = dataclasses.replace(
        spec("semantic"),
        output_kind="logits",
        outputs=(OutputSpec("logits", "float32", (1,)),),
        head=HeadSpec("multilabel"),
    )
    logits = np.array([[[2, 1], [-1, 0.5]], [[1, 3], [-2, -1]]], np.float32)  # labels 0 1, none 0
    truth = np.array([[[0, 1], [0, 1]]], np.uint8)
    assert true_miou([{"logits": logits}], several, truth) == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_labels_lose_points_of_mean_iou() -> None:
    reference = np.zeros((20, 10), np.uint8)
    reference[10:] = 1
    candidate = reference.copy()
    candidate[10] = 0
    lost = points_lost([{"labels": reference}], [{"labels": candidate}], spec("semantic"))
    assert lost == pytest.approx(100 * (1 - (100 / 110 + 90 / 100) / 2))


def test_with_label_maps_points_are_true_ones_and_void_is_not_counted() -> None:
    truth = np.zeros((1, 40, 20), np.uint8)
    truth[0, 20:] = 1
    truth[0, 30:] = 255
    float32, int8 = truth[0].copy(), truth[0].copy()
    float32[19], int8[19] = 1, 1  # of 20 and 10 rows: 19/20 and 10/11
    int8[20] = 0  # 19/21 and 9/11
    float32[30:], int8[30:] = 0, 1
    outputs = [[{"labels": labels}] for labels in (float32, int8)]
    lost = points_lost(*outputs, spec("semantic"), truth)
    assert lost == pytest.approx(100 * ((19 / 20 + 10 / 11) - (19 / 21 + 9 / 11)) / 2)
    assert points_lost(*outputs[::-1], spec("semantic"), truth) == 0.0  # better is no loss
    assert points_lost(*outputs, spec("semantic")) > 0.0


def test_logits_are_scored_where_the_labels_are() -> None:
    truth = np.repeat(np.array([[0] * 8 + [1] * 8], np.uint8), 16, axis=0)[None]
    logits = np.zeros((2, 4, 4), np.float32)
    logits[1] = [-3.0, -1.0, 1.0, 3.0]
    assert true_miou([{"logits": logits}], spec("semantic"), truth) == 1.0


def test_objects_lose_points_of_f1_by_their_scores() -> None:
    reference = objects([[0, 0, 9, 9], [0, 10, 9, 19]], [0.9, 0.1])
    assert points_lost([reference], [reference], spec("instance")) == pytest.approx(0.0, abs=1e-4)
    without_weak = objects([[0, 0, 9, 9]], [0.9])
    assert points_lost([reference], [without_weak], spec("instance")) == pytest.approx(
        100 * 0.1 / 1.9, rel=1e-3
    )
    other_mask = {**reference, "masks": np.concatenate([np.zeros((1, 4, 4)), np.ones((1, 4, 4))])}
    assert points_lost([reference], [other_mask], spec("instance")) == pytest.approx(90.0, rel=1e-3)


def test_nothing_found_by_either_is_nothing_lost() -> None:
    nothing = objects([], [])
    assert points_lost([nothing], [nothing], spec("instance")) == 0.0

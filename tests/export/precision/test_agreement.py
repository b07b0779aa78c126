"""Points are lost by the words of the task: mIoU of labels, F1 of objects."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.export.precision.agreement import points_lost
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

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


def test_labels_lose_points_of_mean_iou() -> None:
    reference = np.zeros((20, 10), np.uint8)
    reference[10:] = 1
    candidate = reference.copy()
    candidate[10] = 0
    lost = points_lost([{"labels": reference}], [{"labels": candidate}], spec("semantic"))
    assert lost == pytest.approx(100 * (1 - (100 / 110 + 90 / 100) / 2))


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

"""Accuracy agrees with cases small enough to work by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle

from edgeseg.demo.evaluate import average_precision, class_iou, confusion_matrix, mean_iou
from edgeseg.demo.scenes import Scene, generate, scene_from_instances
from edgeseg.errors import ShapeError, UsageError

TRUTH = np.array([[0, 0, 1], [0, 2, 1]], np.uint8)
FOUND = np.array([[0, 1, 1], [0, 1, 1]], np.uint8)


def test_confusion_counts_truth_in_rows() -> None:
    assert confusion_matrix(FOUND, TRUTH, 3).tolist() == [[2, 1, 0], [0, 2, 0], [0, 1, 0]]


def test_iou_by_hand() -> None:
    # background 2 of 3 pixels; class 1: 2 hits, 4 predicted, so 2/4; class 2 was never found
    assert class_iou(confusion_matrix(FOUND, TRUTH, 3)) == pytest.approx([2 / 3, 1 / 2, 0])
    assert mean_iou([FOUND], [TRUTH], 3) == pytest.approx((2 / 3 + 1 / 2) / 3)


def test_an_absent_class_does_not_count() -> None:
    iou = class_iou(confusion_matrix(FOUND, TRUTH, 5))
    assert np.isnan(iou[3:]).all()
    assert mean_iou([FOUND], [TRUTH], 5) == mean_iou([FOUND], [TRUTH], 3)


def test_perfect_labels_score_one() -> None:
    scenes = [generate(seed) for seed in range(3)]
    assert mean_iou([scene.labels for scene in scenes], [scene.labels for scene in scenes]) == 1.0


def test_frames_are_pooled_before_the_ratio() -> None:
    empty, full = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    # class 1 over both frames: 4 hits, 8 predicted; background: none found of 4
    assert mean_iou([full, full], [empty, full], 2) == pytest.approx((0 + 4 / 8) / 2)


def test_labels_of_another_size_or_class_are_refused() -> None:
    with pytest.raises(ShapeError, match="same size"):
        confusion_matrix(FOUND[:1], TRUTH, 3)
    with pytest.raises(ShapeError, match="below 2"):
        confusion_matrix(FOUND, TRUTH, 2)


def _two_balls() -> Scene:
    """A frame with two balls of 10 by 10 pixels, at (5, 5) and (25, 5)."""
    instances = np.zeros((20, 40), np.uint8)
    instances[5:15, 5:15] = 1
    instances[5:15, 25:35] = 2
    image = np.zeros((20, 40, 3), np.uint8)
    return scene_from_instances(image, instances, np.array([1, 1]), np.array([100, 100]))


def _result(box_xywh: tuple[int, int, int, int], score: float, class_id: int = 1) -> dict[str, Any]:
    left, top, width, height = box_xywh
    mask = np.zeros((20, 40), np.uint8, order="F")
    mask[top : top + height, left : left + width] = 1
    box = [float(left), float(top), float(width), float(height)]
    return {"category_id": class_id, "bbox": box, "score": score, "segmentation": rle.encode(mask)}


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_both_found_is_perfect(kind: Any) -> None:
    found = [_result((5, 5, 10, 10), 0.9), _result((25, 5, 10, 10), 0.8)]
    assert average_precision([found], [_two_balls()], kind) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_one_of_two_found_is_a_half(kind: Any) -> None:
    # precision 1 up to recall 0.5: at 51 of COCO's 101 recall points
    assert average_precision([[_result((5, 5, 10, 10), 0.9)]], [_two_balls()], kind) == pytest.approx(
        51 / 101
    )


def test_a_better_scored_false_alarm_halves_the_precision() -> None:
    found = [_result((15, 5, 5, 5), 0.95), _result((5, 5, 10, 10), 0.9), _result((25, 5, 10, 10), 0.8)]
    # after the alarm precision is 1/2, then 2/3; it is made monotone from the right, so 2/3 everywhere
    assert average_precision([found], [_two_balls()], "box") == pytest.approx(2 / 3)


def test_overlap_below_the_threshold_is_a_miss() -> None:
    found = [_result((5, 5, 10, 4), 0.9)]  # IoU 0.4
    assert average_precision([found], [_two_balls()], "mask") == 0.0
    assert average_precision([found], [_two_balls()], "mask", iou=0.3) == pytest.approx(51 / 101)


def test_the_wrong_class_is_a_miss() -> None:
    assert average_precision([[_result((5, 5, 10, 10), 0.9, class_id=2)]], [_two_balls()], "box") == 0.0


def test_finding_an_ignored_object_is_neither_right_nor_wrong() -> None:
    scene = _two_balls()
    hidden = scene_from_instances(scene.image, scene.instances, scene.class_ids, np.array([100, 1000]))
    assert hidden.ignored.tolist() == [False, True]
    found = [_result((25, 5, 10, 10), 0.95), _result((5, 5, 10, 10), 0.9)]
    assert average_precision([found], [hidden], "box") == pytest.approx(1.0)
    assert average_precision([found[1:]], [hidden], "mask") == pytest.approx(1.0)


def test_nothing_found_scores_zero() -> None:
    assert average_precision([[]], [_two_balls()], "box") == 0.0


def test_evaluation_is_silent_and_leaves_the_results_alone(capsys: pytest.CaptureFixture[str]) -> None:
    result = _result((5, 5, 10, 10), 0.9)
    before = dict(result)
    average_precision([[result]], [_two_balls()], "box")
    assert capsys.readouterr().out == ""
    assert result == before


def test_frames_and_scenes_must_be_as_many() -> None:
    with pytest.raises(UsageError, match="2 frames"):
        average_precision([[], []], [_two_balls()], "box")

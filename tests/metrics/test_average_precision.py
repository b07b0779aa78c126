"""Average precision agrees with cases small enough to work by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle

from edgeseg.errors import UsageError
from edgeseg.metrics.average_precision import average_precision
from edgeseg.scenes.scene import Scene, scene_from_instances


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


def test_results_and_truth_must_be_as_many() -> None:
    with pytest.raises(UsageError, match="2 images"):
        average_precision([[], []], [_two_balls()], "box")


def test_a_class_that_is_never_true_does_not_count() -> None:
    found = [_result((5, 5, 10, 10), 0.9), _result((25, 5, 10, 10), 0.8), _result((5, 5, 10, 10), 0.9, 3)]
    assert average_precision([found], [_two_balls()], "box") == pytest.approx(1.0)

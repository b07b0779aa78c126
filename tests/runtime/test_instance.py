from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.frames.geometry import place
from edgeseg.runtime.instance import instance_result
from edgeseg.spec import InputSpec, Thresholds

FRAME_HW = (240, 320)


def detections(boxes: list[list[float]], scores: list[float], dtype: type = np.int64) -> dict[str, NDArray]:
    count = len(boxes)
    return {
        "boxes": np.array(boxes, np.float32).reshape(1, count, 4),
        "scores": np.array(scores, np.float32).reshape(1, count),
        "class_ids": np.arange(1, count + 1, dtype=dtype).reshape(1, count),
        "masks": np.ones((1, count, 4, 4), np.float32),
    }


def test_low_scores_padding_and_boxes_in_the_bars_go_and_the_best_comes_first() -> None:
    placement = place((100, 200), InputSpec(100, 100, resize="letterbox"))  # rows 25 to 75 hold the frame
    found = detections(
        [[10, 30, 40, 50], [0, 0, 0, 0], [50, 30, 90, 60], [10, 5, 30, 20], [5, 40, 25, 60]],
        [0.6, 0.0, 0.9, 0.95, 0.3],
    )
    result = instance_result(found, placement, Thresholds(score=0.5))
    assert result.class_ids.tolist() == [3, 1]
    assert result.scores == pytest.approx([0.9, 0.6])
    assert result.boxes.tolist() == [[100, 10, 180, 70], [20, 10, 80, 50]]
    assert result.masks.shape == (2, 100, 200)
    assert result.masks[1, 15:45, 25:75].all()
    assert result.masks[1].sum() <= 62 * 42


def test_padding_stays_out_even_at_threshold_zero() -> None:
    found = detections([[1, 1, 5, 5], [1, 1, 5, 5]], [0.01, 0.0])
    result = instance_result(found, place((9, 9), InputSpec(9, 9)), Thresholds(score=0.0))
    assert result.class_ids.tolist() == [1]


def test_classes_become_int64_and_arrays_are_the_results_own() -> None:
    found = detections([[1, 1, 5, 5]], [0.9], dtype=np.int32)
    result = instance_result(found, place((9, 9), InputSpec(9, 9)), Thresholds())
    found["boxes"][:] = found["scores"][:] = found["class_ids"][:] = 0
    assert result.class_ids.dtype == np.int64
    assert (result.boxes.tolist(), result.class_ids.tolist()) == ([[1, 1, 5, 5]], [1])
    assert result.scores == pytest.approx([0.9])


def test_no_detection_is_an_empty_result() -> None:
    found = detections([], [])
    found["masks"] = np.zeros((1, 0, 28, 28), np.float32)
    result = instance_result(found, place(FRAME_HW, InputSpec(64, 64)), Thresholds())
    assert len(result) == 0
    assert result.boxes.shape == (0, 4)
    assert result.masks.shape == (0, *FRAME_HW)

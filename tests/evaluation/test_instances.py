"""Objects are paired as COCO does, and what was taken for what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeseg.evaluation.instances import InstanceSheet
from edgeseg.frames.results import InstanceResult, MaskCrop
from edgeseg.frames.rle import encode_crop

SIZE_HW = (40, 60)
Box = tuple[int, int, int, int]  # left, top, right, bottom


def true_object(box: Box, class_id: int, crowd: int = 0) -> dict[str, Any]:
    left, top, right, bottom = box
    mask = np.ones((bottom - top, right - left), np.bool_)
    return {
        "category_id": class_id,
        "segmentation": encode_crop(mask, left, top, SIZE_HW),
        "bbox": [left, top, right - left, bottom - top],
        "area": mask.size,
        "iscrowd": crowd,
    }


def result(*objects: tuple[Box, int, float]) -> InstanceResult:
    return InstanceResult(
        np.array([box for box, _, _ in objects], np.float32).reshape(-1, 4),
        np.array([score for _, _, score in objects], np.float32),
        np.array([class_id for _, class_id, _ in objects], np.int64),
        SIZE_HW,
        tuple(MaskCrop(b[0], b[1], np.ones((b[3] - b[1], b[2] - b[0]), np.bool_)) for b, _, _ in objects),
    )


A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (40, 20, 50, 30)


def test_confusion_by_hand() -> None:
    sheet = InstanceSheet(4, {1, 2, 3})
    truth = [true_object(A, 1), true_object(B, 2), true_object(C, 3)]
    # A is found, B is taken for class 3, C is missed, and there is one where nothing is
    found = result((A, 1, 0.9), (B, 3, 0.8), ((0, 20, 10, 30), 2, 0.7))
    assert sheet.add(truth, found) == pytest.approx(2 * 1 / (3 + 3))
    expected = np.zeros((4, 4), int)
    expected[1, 1] = expected[2, 3] = expected[3, 0] = expected[0, 2] = 1
    assert (sheet.confusion == expected).all()
    figures = sheet.figures()
    assert figures.overall["f1"] == pytest.approx(1 / 3)
    # class 1 is found at every threshold, 2 and 3 are not
    assert figures.classes["mask_ap"] == pytest.approx([np.nan, 1, 0, 0], nan_ok=True)
    assert figures.overall["box_ap"] == figures.overall["mask_ap50"] == pytest.approx(1 / 3)
    assert sheet.true_counts.tolist() == [0, 1, 1, 1]


def test_half_an_object_is_found_at_0_5_alone() -> None:
    sheet = InstanceSheet(2, {1})
    assert sheet.add([true_object((0, 0, 10, 10), 1)], result(((0, 0, 10, 5), 1, 0.9))) == 1.0
    assert sheet.figures().overall["mask_ap"] == pytest.approx(1 / 10)


def test_crowds_count_neither_way() -> None:
    sheet = InstanceSheet(2, {1})
    truth = [true_object(A, 1), true_object((20, 0, 60, 40), 1, crowd=1)]
    assert sheet.add(truth, result((A, 1, 0.9), ((25, 5, 35, 15), 1, 0.95))) == 1.0
    assert sheet.confusion.tolist() == [[0, 0], [0, 1]]
    assert sheet.figures().overall["box_ap"] == pytest.approx(1)
    assert sheet.true_counts.tolist() == [0, 1]


def test_classes_that_the_truth_does_not_know_are_not_counted() -> None:
    sheet = InstanceSheet(3, {1})
    assert sheet.add([true_object(A, 1)], result((A, 1, 0.9), (B, 2, 0.9))) == 1.0
    assert sheet.confusion.sum() == 1


def test_draws_hold_images_as_often_as_they_are_drawn() -> None:
    sheet = InstanceSheet(2, {1})
    sheet.add([true_object(A, 1)], result((A, 1, 0.9)))
    sheet.add([true_object(A, 1), true_object(B, 1)], result((B, 1, 0.8)))
    assert sheet.add([], result()) == 1.0
    drawn = sheet.drawn(np.array([[1, 1, 1], [3, 0, 0], [0, 3, 0], [0, 0, 3]]))
    # 2 of 3 are found: precision 1 up to recall 2/3, which are 67 of 101 recalls; then 1 of 1; 1 of 2
    assert drawn.overall["mask_ap"] == pytest.approx([67 / 101, 1, 51 / 101, np.nan], nan_ok=True)
    assert drawn.overall["f1"] == pytest.approx([4 / 5, 1, 2 / 3, 1])
    assert drawn.classes["box_ap"][:, 1] == pytest.approx(drawn.overall["box_ap"], nan_ok=True)
    assert sheet.figures().overall["mask_ap"] == pytest.approx(67 / 101)

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from edgeseg.errors import UsageError
from edgeseg.runtime.results import InstanceResult, MaskCrop, SemanticResult

# pycocotools 2.0.11 decodes through an `__array__` that numpy 2 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def two_objects() -> InstanceResult:
    return InstanceResult(
        boxes=np.array([[1, 2, 4, 5], [0, 0, 8, 1]], np.float32),
        scores=np.array([0.9, 0.5], np.float32),
        class_ids=np.array([3, 1]),
        frame_hw=(6, 8),
        _crops=(MaskCrop(1, 2, np.eye(3, dtype=bool)), MaskCrop(0, 0, np.ones((1, 8), bool))),
    )


def test_masks_are_the_crops_at_frame_size_and_made_once(two_objects: InstanceResult) -> None:
    masks = two_objects.masks
    assert masks.shape == (2, 6, 8)
    assert masks.dtype == bool
    assert [tuple(p) for p in np.argwhere(masks[0])] == [(2, 1), (3, 2), (4, 3)]
    assert masks[1].sum() == masks[1][0].sum() == 8
    assert two_objects.masks is masks


def test_coco_results_survive_json_and_decode_to_the_masks(two_objects: InstanceResult) -> None:
    results = json.loads(json.dumps(two_objects.to_coco(image_id=7)))
    assert [r["category_id"] for r in results] == [3, 1]
    assert [r["image_id"] for r in results] == [7, 7]
    assert results[0]["bbox"] == [1, 2, 3, 3]
    assert results[0]["score"] == pytest.approx(0.9)
    decoded = coco_mask.decode([r["segmentation"] for r in results])
    np.testing.assert_array_equal(decoded.transpose(2, 0, 1).astype(bool), two_objects.masks)


def test_an_empty_frame_has_no_objects() -> None:
    empty = InstanceResult(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), (6, 8), ()
    )
    assert len(empty) == 0
    assert empty.masks.shape == (0, 6, 8)
    assert empty.to_coco() == []


def test_segments_cover_every_pixel_once() -> None:
    result = SemanticResult(np.array([[0, 2, 2], [0, 0, 2]], np.uint8))
    segments = json.loads(json.dumps(result.to_segments()))
    assert [(s["category_id"], s["area"]) for s in segments] == [(0, 3), (2, 3)]
    assert coco_mask.decode([s["segmentation"] for s in segments]).sum(axis=2).tolist() == [[1] * 3] * 2
    assert result.frame_hw == (2, 3)


def test_segments_of_classes_that_overlap_share_pixels() -> None:
    masks = np.array([[[1, 1, 0]], [[0, 0, 0]], [[0, 1, 0]]], np.bool_)
    result = SemanticResult(np.array([[0, 2, 255]], np.uint8), masks=masks)
    segments = json.loads(json.dumps(result.to_segments()))
    assert [(s["category_id"], s["area"]) for s in segments] == [(0, 2), (2, 1)]
    decoded = coco_mask.decode([s["segmentation"] for s in segments]).transpose(2, 0, 1)
    assert decoded.tolist() == masks[[0, 2]].tolist()


def test_supervision_gets_boxes_masks_scores_and_classes(
    two_objects: InstanceResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = types.ModuleType("supervision")
    fake.Detections = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", fake)
    detections = two_objects.to_supervision()
    assert detections["xyxy"] is two_objects.boxes
    assert detections["mask"] is two_objects.masks
    assert detections["confidence"] is two_objects.scores
    assert detections["class_id"] is two_objects.class_ids


def test_without_supervision_the_error_says_what_to_install(
    two_objects: InstanceResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UsageError, match="pip install supervision"):
        two_objects.to_supervision()

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from edgeseg.errors import UsageError
from edgeseg.frames.results import NO_TRACK, InstanceResult, MaskCrop, SemanticResult

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


def test_tracks_go_along_where_there_are_any(two_objects: InstanceResult) -> None:
    assert all("track_id" not in one for one in two_objects.to_coco())
    tracked = replace(two_objects, track_ids=np.array([7, NO_TRACK]))
    results = json.loads(json.dumps(tracked.to_coco()))
    assert [one["track_id"] for one in results] == [7, None]


def test_objects_are_selected_with_all_that_belongs_to_them(two_objects: InstanceResult) -> None:
    tracked = replace(two_objects, track_ids=np.array([7, 3]))
    swapped = tracked.select(np.array([1, 0]))
    assert swapped.class_ids.tolist() == [1, 3]
    assert swapped.track_ids is not None
    assert swapped.track_ids.tolist() == [3, 7]
    np.testing.assert_array_equal(swapped.masks, tracked.masks[::-1])
    np.testing.assert_array_equal(swapped.boxes, tracked.boxes[::-1])
    nothing = two_objects.select(np.zeros(0, np.intp))
    assert (len(nothing), nothing.masks.shape, nothing.track_ids) == (0, (0, 6, 8), None)


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


@pytest.fixture(scope="module")
def supervision() -> Any:
    return pytest.importorskip("supervision", reason="supervision is not installed")


def test_supervision_gets_boxes_masks_scores_and_classes(
    two_objects: InstanceResult, supervision: Any
) -> None:
    detections = two_objects.to_supervision()
    assert isinstance(detections, supervision.Detections)
    np.testing.assert_array_equal(detections.xyxy, two_objects.boxes)
    np.testing.assert_array_equal(detections.mask, two_objects.masks)
    np.testing.assert_array_equal(detections.confidence, two_objects.scores)
    np.testing.assert_array_equal(detections.class_id, two_objects.class_ids)
    assert detections.tracker_id is None
    tracked = replace(two_objects, track_ids=np.array([7, 3])).to_supervision()
    assert tracked[tracked.tracker_id == 3].class_id.tolist() == [1]
    assert detections.area.tolist() == [3, 8]  # pixels of the masks, as supervision counts them
    assert detections[detections.confidence > 0.6].class_id.tolist() == [3]


def test_supervision_paints_the_pixels_of_the_masks(two_objects: InstanceResult, supervision: Any) -> None:
    painter = supervision.MaskAnnotator(opacity=1.0)
    painted = painter.annotate(np.zeros((6, 8, 3), np.uint8), two_objects.to_supervision())
    np.testing.assert_array_equal(painted.any(axis=2), two_objects.masks.any(axis=0))


def test_supervision_gets_names_where_they_are_given(two_objects: InstanceResult, supervision: Any) -> None:
    assert "class_name" not in two_objects.to_supervision().data
    detections = two_objects.to_supervision(("background", "cat", "dog", "horse"))
    assert detections["class_name"].tolist() == ["horse", "cat"]
    frame = np.zeros((60, 80, 3), np.uint8)
    assert supervision.LabelAnnotator().annotate(frame, detections).any()
    with pytest.raises(UsageError, match="must name the classes 0 to 3, got 2 names"):
        two_objects.to_supervision(("background", "cat"))


@pytest.mark.parametrize("class_names", [None, ("background", "cat", "dog", "horse")])
def test_a_result_without_objects_is_empty_to_supervision(
    two_objects: InstanceResult, class_names: tuple[str, ...] | None, supervision: Any
) -> None:
    empty = InstanceResult(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), (6, 8), ()
    ).to_supervision(class_names)
    assert empty.is_empty()
    assert empty.mask.shape == (0, 6, 8)
    frame = np.full((6, 8, 3), 9, np.uint8)
    for annotator in (supervision.MaskAnnotator(), supervision.BoxAnnotator(), supervision.LabelAnnotator()):
        assert (annotator.annotate(frame.copy(), empty) == 9).all()
    merged = supervision.Detections.merge([empty, two_objects.to_supervision(class_names)])
    np.testing.assert_array_equal(merged.mask, two_objects.masks)


def test_without_supervision_the_error_says_what_to_install(
    two_objects: InstanceResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UsageError, match="pip install supervision"):
        two_objects.to_supervision()

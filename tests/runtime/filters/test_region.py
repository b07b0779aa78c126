"""Outside of the region nothing is found, whatever the size of the frames."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from edgeseg.frames.results import InstanceResult, SemanticResult
from edgeseg.runtime.filters import RegionFilter
from edgeseg.runtime.filters.polygon import polygon_mask
from edgeseg.runtime.frame import Frame
from tests.runtime.fakes import two_animals
from tests.runtime.filters.objects import boxes_full, polygons

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
LEFT_QUARTER = ((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0))
ALL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
FRAME = Frame(np.zeros((6, 8, 3), np.uint8), 0, 0.0)


def test_labels_outside_have_no_class() -> None:
    labels = np.array([[0, 1, 0, 1]], np.uint8)
    confidence = np.full((1, 4), 0.5, np.float32)
    masks = np.ones((2, 1, 4), np.bool_)
    after = RegionFilter(LEFT_HALF)(FRAME, SemanticResult(labels, confidence, masks))
    assert isinstance(after, SemanticResult)
    assert after.labels.tolist() == [[0, 1, 255, 255]]
    assert after.confidence is not None
    assert (after.confidence.tolist(), after.confidence.dtype) == ([[0.5, 0.5, 0, 0]], np.float32)
    assert after.masks is not None
    assert after.masks.tolist() == [[[1, 1, 0, 0]]] * 2
    assert labels.tolist() == [[0, 1, 0, 1]]


def test_masks_are_cut_and_boxes_stay() -> None:
    before = two_animals()
    after = RegionFilter(LEFT_HALF)(FRAME, before)
    assert isinstance(after, InstanceResult)
    assert np.array_equal(after.boxes, before.boxes)
    inside = np.arange(8) < 4
    assert np.array_equal(after.masks, before.masks & inside)
    assert before.masks[1].sum() == 24


def test_objects_outside_are_left_out() -> None:
    after = RegionFilter(LEFT_QUARTER)(FRAME, two_animals())
    assert isinstance(after, InstanceResult)
    assert after.class_ids.tolist() == [1]  # the dog begins at column 2, where the region ends


def test_frames_may_change_their_size() -> None:
    region = RegionFilter(LEFT_HALF)
    for width in (4, 10, 4):
        after = region(FRAME, SemanticResult(np.zeros((3, width), np.uint8)))
        assert isinstance(after, SemanticResult)
        assert ((after.labels == 0) == (np.arange(width) < width / 2)).all()


def test_a_region_of_the_whole_frame_changes_nothing() -> None:
    result = two_animals()
    assert RegionFilter(ALL)(FRAME, result) is result


@given(polygons())
def test_no_pixel_outside_belongs_to_anything(polygon: tuple[tuple[float, float], ...]) -> None:
    inside = polygon_mask(polygon, (60, 80))
    if not polygon_mask(polygon, (1000, 1000)).any():
        return
    before = boxes_full([(5, 5, 50, 30), (40, 20, 80, 60), (0, 0, 80, 60)])
    after = RegionFilter(polygon)(FRAME, before)
    assert isinstance(after, InstanceResult)
    assert not after.masks[:, ~inside].any()
    assert after.masks.sum() == (before.masks & inside).sum()

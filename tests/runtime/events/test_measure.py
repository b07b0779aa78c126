"""A class is measured within a zone: worked by hand on a frame of 4x8."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.frames.results import InstanceResult, MaskCrop, SemanticResult
from edgeseg.runtime.events.measure import Measure
from edgeseg.runtime.settings import ZoneSettings
from tests.runtime.fakes import INSTANCE, SEMANTIC

RIGHT_HALF = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
ZONE = ZoneSettings("zone", "bright", RIGHT_HALF)
CATS = ZoneSettings("zone", "cat", RIGHT_HALF, measure="count")


def labels(*columns: int) -> SemanticResult:
    """Class 1 in these columns, 0 elsewhere."""
    array = np.zeros((4, 8), np.uint8)
    array[:, columns] = 1
    return SemanticResult(array)


def instances(*found: tuple[int, int, int]) -> InstanceResult:
    """Class, first column and width of objects two rows high."""
    count = len(found)
    return InstanceResult(
        boxes=np.array([[left, 0, left + width, 2] for _, left, width in found], np.float32).reshape(
            count, 4
        ),
        scores=np.full(count, 0.9, np.float32),
        class_ids=np.array([class_id for class_id, _, _ in found], np.int64),
        frame_hw=(4, 8),
        _crops=tuple(MaskCrop(left, 0, np.ones((2, width), np.bool_)) for _, left, width in found),
    )


def test_the_area_is_a_fraction_of_the_zone() -> None:
    measure = Measure(ZONE, SEMANTIC)
    assert measure(labels()) == 0.0
    assert measure(labels(0, 1, 2, 4)) == 0.25
    assert measure(labels(*range(8))) == 1.0


def test_without_a_polygon_the_frame_is_the_zone() -> None:
    assert Measure(dataclasses.replace(ZONE, polygon=()), SEMANTIC)(labels(0, 7)) == 0.25


def test_classes_that_overlap_are_measured_by_their_masks() -> None:
    masks = np.zeros((2, 4, 8), np.bool_)
    masks[1, :, 4:6] = True
    assert Measure(ZONE, SEMANTIC)(SemanticResult(np.zeros((4, 8), np.uint8), None, masks)) == 0.5


def test_the_zone_follows_the_frame_s_size() -> None:
    measure = Measure(ZONE, SEMANTIC)
    assert measure(labels(4, 5)) == 0.5
    assert measure(SemanticResult(np.ones((6, 10), np.uint8))) == 1.0


def test_instances_count_where_their_centre_stands() -> None:
    measure = Measure(CATS, INSTANCE)
    assert measure(instances()) == 0
    # centres at 4.0 (in: the pixel right of the edge), 3.5, 6.5, and a dog's at 6
    assert measure(instances((1, 2, 4), (1, 2, 3), (1, 6, 1), (2, 5, 2))) == 2


def test_the_area_of_instances_is_that_of_all_of_them_together() -> None:
    measure = Measure(dataclasses.replace(CATS, measure="area"), INSTANCE)
    assert measure(instances((1, 4, 2), (1, 5, 2), (2, 4, 4))) == 3 * 2 / 16


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class_name": "brigth"}, "did you mean 'bright'"),
        ({"polygon": ((0.0, 0.0), (1.0, 1.0))}, "a zone is a polygon of at least 3 corners"),
        ({"measure": "count"}, "count is of instances, and this engine labels pixels"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Measure(dataclasses.replace(ZONE, **change), SEMANTIC)  # type: ignore[arg-type]

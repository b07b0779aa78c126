"""A polygon is the pixels whose centres lie within it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg.runtime.filters.polygon import check_polygon, polygon_mask
from tests.runtime.filters.objects import polygons

FRAME = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
SIDE = st.integers(1, 40)


def test_a_triangle_by_hand() -> None:
    """Below the diagonal of 4x4 pixels: the centres on it belong to the side right of it."""
    mask = polygon_mask(((0.0, 0.0), (1.0, 1.0), (0.0, 1.0)), (4, 4))
    assert mask.astype(int).tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]


def test_fractions_are_of_width_and_height() -> None:
    mask = polygon_mask(((0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5)), (2, 6))
    assert mask.astype(int).tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]]


@given(SIDE, SIDE)
def test_the_frame_is_all_pixels(height: int, width: int) -> None:
    assert polygon_mask(FRAME, (height, width)).all()


@given(polygons(), SIDE, SIDE)
def test_where_it_starts_and_which_way_it_turns_does_not_count(
    polygon: tuple[tuple[float, float], ...], height: int, width: int
) -> None:
    mask = polygon_mask(polygon, (height, width))
    assert np.array_equal(mask, polygon_mask((*polygon[1:], polygon[0]), (height, width)))


@given(st.floats(0.1, 0.9), st.floats(0.1, 0.9), SIDE, SIDE)
@example(top=0.5, foot=0.1, height=29, width=29)  # a centre on the edge, but for rounding
def test_neighbours_share_no_pixel_and_leave_none(top: float, foot: float, height: int, width: int) -> None:
    left = polygon_mask(((0.0, 0.0), (top, 0.0), (foot, 1.0), (0.0, 1.0)), (height, width))
    right = polygon_mask(((top, 0.0), (1.0, 0.0), (1.0, 1.0), (foot, 1.0)), (height, width))
    assert (left ^ right).all()


@given(polygons())
def test_it_is_what_opencv_fills_but_for_its_edge(polygon: tuple[tuple[float, float], ...]) -> None:
    """An independent implementation, which fills all that the edges touch."""
    height, width = 60, 80
    filled = np.zeros((height, width), np.uint8)
    corners = np.rint(np.array(polygon) * (width, height) * 16 - 8).astype(np.int32)
    cv2.fillPoly(filled, [corners], 1, shift=4)
    edge = np.zeros_like(filled)
    cv2.polylines(edge, [corners], True, 1, thickness=3, shift=4)
    differs = polygon_mask(polygon, (height, width)) != filled.astype(bool)
    assert not (differs & (edge == 0)).any()


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        (((0.0, 0.0), (1.0, 1.0)), "at least 3 corners, got 2"),
        ((), "at least 3 corners, got 0"),
        (((0.0, 0.0), (640.0, 0.0), (640.0, 480.0)), "0 to 1, got 640,0; divide pixels"),
        (((0.0, 0.0), (float("nan"), 0.0), (0.0, 1.0)), "0 to 1, got nan,0"),
        (((0.0, 0.0), (-0.1, 0.0), (0.0, 1.0)), "0 to 1, got -0.1,0"),
        (((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)), "holds nothing"),
    ],
)
def test_what_is_no_polygon_within_the_frame_is_refused(
    polygon: tuple[tuple[float, float], ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_polygon(polygon)

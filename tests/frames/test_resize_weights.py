"""Weights by hand: what a pixel of the result is made of."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.frames.resize_weights import box, triangle


def test_the_triangle_is_as_wide_as_the_axis_shrinks() -> None:
    axis = triangle(6, 2)  # a third: centres at 1.5 and 4.5, reaching 3 pixels to each side
    dense = np.zeros((2, 8))
    for row, first, weight in zip(dense, axis.first, axis.weight, strict=True):
        row[first : first + len(weight)] = weight
    expected = np.array([[4, 6, 4, 2, 0, 0], [0, 0, 2, 4, 6, 4]]) / 16  # distances 1, 0, 1, 2 of 3
    np.testing.assert_allclose(dense[:, :6], expected, atol=1e-7)
    assert (dense[:, 6:] == 0).all()


def test_an_axis_that_grows_is_interpolated() -> None:
    axis = triangle(2, 4)
    assert axis.first.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(axis.weight, [[1, 0], [0.75, 0.25], [0.25, 0.75], [1, 0]], atol=1e-7)


def test_the_box_holds_what_a_pixel_covers() -> None:
    axis = box(5, 2)  # two and a half pixels each
    assert axis.first.tolist() == [0, 2]
    np.testing.assert_allclose(axis.weight, [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]], atol=1e-7)


@pytest.mark.parametrize("weigh", [triangle, box])
@pytest.mark.parametrize("sides", [(1, 1), (7, 7), (1000, 1), (16384, 5), (1080, 512), (513, 512)])
def test_weights_sum_to_one_and_stay_inside_the_frame(weigh: object, sides: tuple[int, int]) -> None:
    axis = weigh(*sides)  # type: ignore[operator]
    np.testing.assert_allclose(axis.weight.sum(axis=1), 1, rtol=1e-5)
    positions = axis.first[:, None] + np.arange(axis.weight.shape[1])
    assert axis.first.min() >= 0
    assert (axis.weight[positions >= sides[0]] == 0).all()

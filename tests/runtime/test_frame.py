from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeseg.errors import ShapeError
from edgeseg.runtime.frame import to_bgr8


def test_grey_becomes_three_equal_channels() -> None:
    assert to_bgr8(np.array([[7, 200]], np.uint8)).tolist() == [[[7, 7, 7], [200, 200, 200]]]


def test_alpha_is_dropped_and_the_colour_under_it_stays() -> None:
    assert to_bgr8(np.array([[[1, 2, 3, 0]]], np.uint8)).tolist() == [[[1, 2, 3]]]


def test_16_bits_are_divided_by_256() -> None:
    assert to_bgr8(np.array([[0, 255, 256, 0x8000, 65535]], np.uint16))[0, :, 0].tolist() == [
        0,
        0,
        1,
        128,
        255,
    ]


@pytest.mark.parametrize(("bits", "expected"), [(8, [0, 255, 255]), (12, [0, 16, 255]), (14, [0, 4, 255])])
def test_values_of_fewer_bits_fill_the_range_and_larger_ones_are_cut(bits: int, expected: list[int]) -> None:
    values = np.array([[0, 256, 65535]], np.uint16)
    assert to_bgr8(values, bits=bits)[0, :, 0].tolist() == expected
    assert values.tolist() == [[0, 256, 65535]]


def test_a_frame_that_is_right_already_is_not_copied() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    assert to_bgr8(image) is image


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4])),
    )
)
def test_the_size_stays_and_the_result_is_bgr8(image: np.ndarray) -> None:
    frame = to_bgr8(image)
    assert frame.shape == (*image.shape[:2], 3)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros((1, 2, 2, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_other_shapes_and_dtypes_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="an image must be"):
        to_bgr8(image)

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.upright import UPRIGHT, Orientation

IMAGE = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), IMAGE),
        ((0, -1, 1, 0), np.rot90(IMAGE)),  # (x, y) -> (y, -x): what was right is up
        ((-1, 0, 0, -1), np.rot90(IMAGE, 2)),
        ((0, 1, -1, 0), np.rot90(IMAGE, 3)),
        ((-1, 0, 0, 1), IMAGE[:, ::-1]),
        ((1, 0, 0, -1), IMAGE[::-1]),
        ((0, 1, 1, 0), IMAGE.swapaxes(0, 1)),
    ],
)
def test_display_matrices(matrix: tuple[int, int, int, int], expected: np.ndarray) -> None:
    upright = Orientation.from_matrix(*(65536 * value for value in matrix)).apply(IMAGE)
    assert upright.tolist() == expected.tolist()
    assert upright.flags.c_contiguous


@pytest.mark.parametrize("quarters", range(5))
@pytest.mark.parametrize("left_right", [True, False])
def test_turns_and_mirrors_add_up(quarters: int, left_right: bool) -> None:
    orientation = UPRIGHT.turned_left(quarters).mirrored(left_right=left_right)
    expected = np.rot90(IMAGE, quarters)
    assert orientation.apply(IMAGE).tolist() == np.flip(expected, 1 if left_right else 0).tolist()
    again = UPRIGHT.mirrored(left_right=left_right).turned_left(quarters)
    assert again.apply(IMAGE).tolist() == np.rot90(np.flip(IMAGE, 1 if left_right else 0), quarters).tolist()


def test_an_upright_picture_is_not_copied() -> None:
    assert UPRIGHT.apply(IMAGE) is IMAGE

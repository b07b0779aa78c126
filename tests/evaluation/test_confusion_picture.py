"""The picture of a confusion matrix is darker where more of a row lies."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import ShapeError
from edgeseg.evaluation.confusion_picture import CELL_PX, MARGIN_PX, SIDE_PX, confusion_picture


def test_cells_are_as_dark_as_their_share_of_the_row() -> None:
    counts = np.array([[90, 10, 0], [0, 5, 0], [0, 0, 0]])
    picture = confusion_picture(counts, ["road", "car", "nothing true"], ["road", "car", "x"])
    body = picture[-3 * CELL_PX - MARGIN_PX : -MARGIN_PX, -3 * CELL_PX - MARGIN_PX : -MARGIN_PX]
    corner = body[4::CELL_PX, 4::CELL_PX].mean(axis=2)  # of each cell, beside its number
    assert corner[0, 0] < corner[0, 1] < corner[0, 2] == 255
    assert corner[1, 1] < corner[0, 0]
    assert (corner[2] == 255).all()
    assert picture[: -3 * CELL_PX].min() < 100, "names are written at the top"
    assert picture[:, : -3 * CELL_PX].min() < 100, "and at the left"


def test_a_large_matrix_stays_a_picture_of_some_size() -> None:
    names = [f"a class with quite a long name {i}" for i in range(171)]
    picture = confusion_picture(np.eye(171, 172, dtype=np.int64), names, [*names, "none"])
    assert max(picture.shape) < 1.5 * SIDE_PX


def test_names_must_be_as_many() -> None:
    with pytest.raises(ShapeError, match=r"counts are \(2, 3\), names 2 and 2"):
        confusion_picture(np.zeros((2, 3), np.int64), ["a", "b"], ["a", "b"])

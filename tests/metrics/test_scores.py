"""mIoU and boundary F-score of several images, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeseg.errors import ShapeError, UsageError
from edgeseg.metrics.scores import Scores, ScoreSheet


def half(column: int, size_hw: tuple[int, int] = (20, 20)) -> np.ndarray:
    """Label everything from a column on as 1."""
    return np.broadcast_to((np.arange(size_hw[1]) >= column).astype(np.uint8), size_hw).copy()


def scores_of(truth: np.ndarray, labels: np.ndarray) -> Scores:
    sheet = ScoreSheet(2)
    sheet.add(truth, labels)
    return sheet.scores()


@pytest.mark.parametrize("column", [10, 11, 12, 13, 14])
def test_boundary_by_hand(column: int) -> None:
    # the true boundary is columns 9 (class 0) and 10 (class 1); each class's own lies `column - 10` beside it
    found = scores_of(half(10), half(column))
    shift = column - 10
    assert found.boundary_f == (1.0 if shift <= 2 else 0.0)
    assert found.miou == pytest.approx(((200 / (200 + 20 * shift)) + (200 - 20 * shift) / 200) / 2)


def test_a_half_found_boundary_has_half_the_precision() -> None:
    # class 1: columns 10.. in truth; predicted also columns 0 and 1, whose boundary is near nothing
    labels = half(10)
    labels[:, :2] = 1
    sheet = ScoreSheet(2)
    sheet.add(half(10), labels)
    # class 1: precision 1/2, recall 1; class 0: its predicted boundary is columns 2 and 9, so the same
    assert sheet.scores().boundary_f == pytest.approx(2 / 3)


@given(arrays(np.uint8, (12, 15), elements=st.integers(0, 1)))
def test_the_truth_itself_is_perfect(labels: np.ndarray) -> None:
    assert scores_of(labels, labels) == (1.0, 1.0)


def test_unknown_pixels_are_not_counted() -> None:
    truth = half(10)
    truth[:, 10:15] = 255
    found = scores_of(truth, half(12))
    assert found == (1.0, 1.0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="must have one shape"):
        scores_of(half(3), half(3, (4, 4)))
    with pytest.raises(ShapeError, match="below 2 or 255, got 7"):
        scores_of(np.full((3, 3), 7, np.uint8), half(1, (3, 3)))


def test_boundary_tolerance_is_in_pixels() -> None:
    sheet = ScoreSheet(2, tolerance_px=1)
    sheet.add(half(10), half(12))
    assert sheet.scores().boundary_f == 0.0


def test_a_class_that_fills_its_images_has_a_right_boundary() -> None:
    assert scores_of(half(0), half(0)) == (1.0, 1.0)


def test_a_truth_without_classes_has_no_scores() -> None:
    with pytest.raises(UsageError, match="not defined"):
        scores_of(np.full((4, 4), 255, np.uint8), half(1, (4, 4)))

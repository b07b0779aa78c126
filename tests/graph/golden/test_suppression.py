"""What suppression and ranking decided is checked box by box; decisions within rounding hold either way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeseg.graph.golden.suppression import ROUNDING, Suppressed, cut_ties, ranking_fault

THRESHOLD = 0.5


def suppressed(
    boxes: list[tuple[float, float]], keep: list[bool], groups: list[int] | None = None
) -> Suppressed:
    """Boxes one pixel high, best first, given by left and right."""
    corners = np.array([(left, 0, right, 1) for left, right in boxes], np.float64)
    count = len(boxes)
    return Suppressed(
        corners, np.ones(count), np.array(keep), np.array(groups or [0] * count, np.int64), THRESHOLD
    )


def test_overlaps_by_hand() -> None:
    overlap = suppressed([(0, 2), (1, 3), (0, 2)], [True] * 3).better_overlap
    np.testing.assert_allclose(overlap, [[0, 0, 0], [1 / 3, 0, 0], [1, 1 / 3, 0]])


@pytest.mark.parametrize(
    ("boxes", "keep", "wrong"),
    [
        ([(0, 10), (1, 11)], [True, False], 0),
        ([(0, 10), (1, 11)], [True, True], 1),  # overlaps a better one by 9 / 11
        ([(0, 10), (1, 11)], [False, True], 1),  # the first is missing without a reason; the second may stay
        ([(0, 10), (20, 30)], [True, False], 1),
        ([(0, 9), (3, 12), (6, 15)], [True, False, True], 0),  # what suppresses the third is gone itself
        ([(0, 9), (3, 12), (6, 15)], [True, True, False], 0),  # 6 / 12: a tie, either way
    ],
)
def test_decisions_by_hand(boxes: list[tuple[float, float]], keep: list[bool], wrong: int) -> None:
    assert suppressed(boxes, keep).wrong() == wrong


def test_boxes_of_other_groups_and_padding_do_not_compete() -> None:
    assert suppressed([(0, 10), (0, 10)], [True, True], [0, 1]).wrong() == 0
    boxes = suppressed([(0, 10), (0, 10)], [False, True])
    boxes.scores[0] = 0
    assert boxes.wrong() == 0
    boxes.keep[0] = True
    assert boxes.wrong() == 1  # padding is never kept


def test_ties_are_counted_by_the_errors_of_what_decides() -> None:
    boxes = suppressed([(0, 9), (3, 12), (0, 10)], [True, False, False])  # 1/2, 9/10 and 7/12 overlap
    assert boxes.overlap_ties(0.0) == 1
    assert boxes.overlap_ties(0.02) == 2
    assert boxes.rank_ties(np.array([3.0, 2.0, 1.0]), 0.1) == 0
    assert boxes.rank_ties(np.array([3.0, 2.0, 1.9]), 0.1) == 1


def greedy(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Suppress as the textbook says, one box after the other."""
    keep = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        for j in range(i):
            side = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            union = boxes[i, 2] - boxes[i, 0] + boxes[j, 2] - boxes[j, 0] - max(side, 0)
            keep[i] &= not (keep[j] and max(side, 0) / union > THRESHOLD)
    return keep


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=12), st.data())
def test_what_greedy_suppression_keeps_is_right_and_any_other_set_is_not(
    spans: list[tuple[int, int]], data: st.DataObject
) -> None:
    boxes = [(float(left), float(left + side)) for left, side in spans]
    right = suppressed(boxes, [True] * len(boxes))
    right.keep[:] = greedy(right.boxes)
    assert right.wrong() == 0
    if not right.overlap_ties(0.0):
        flipped = data.draw(st.integers(0, len(boxes) - 1))
        right.keep[flipped] ^= True
        assert right.wrong() > 0


def test_rankings_by_hand() -> None:
    values = np.array([5.0, 9.0, 7.0, 7.0])
    assert ranking_fault(values, np.array([1, 3]), 2) == ""  # 2 as well as 3
    assert ranking_fault(values, np.array([1, 2, 3, 0]), 9) == ""
    for index, words in (
        ([1], "are 1, not 2"),
        ([1, 1], "name one twice"),
        ([1, 4], "one that is none"),
        ([2, 1], "are not in order"),
        ([1, 0], "leave out a better one: 7 for 5"),
    ):
        assert words in ranking_fault(values, np.array(index), 2)


def test_what_was_left_out_although_as_good_ties() -> None:
    values = np.array([5.0, 9.0, 7.0, 7.0 - ROUNDING, 0.0])
    assert cut_ties(values, np.array([1, 2]), 0.0) == 1
    assert cut_ties(values, np.array([1, 2]), 1.0) == 2
    assert cut_ties(values, np.array([1]), 0.0) == 0
    assert cut_ties(np.array([1.0, 0.0, 0.0]), np.array([0, 1]), 0.0) == 0  # places are left

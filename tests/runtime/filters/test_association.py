"""Tracks and objects find each other: the best pair first, each at most once, class by class."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.filters.association import BOX_SHARE, NONE, match, similarity
from tests.runtime.filters.objects import boxes_full

ALL = np.ones(2, np.bool_)


def test_the_best_pair_comes_first() -> None:
    fit = np.array([[0.6, 0.7], [0.1, 0.65]])
    assert match(fit, [(ALL, 0.05)]).tolist() == [1, 0]


def test_too_little_is_no_match() -> None:
    fit = np.array([[0.6, 0.7], [0.1, 0.65]])
    assert match(fit, [(ALL, 0.2)]).tolist() == [NONE, 0]


def test_the_first_stage_goes_before_better_pairs_of_the_second() -> None:
    fit = np.array([[0.3, 0.9]])
    likely = np.array([True, False])
    assert match(fit, [(likely, 0.2), (~likely, 0.4)]).tolist() == [0, NONE]
    assert match(fit, [(likely, 0.5), (~likely, 0.4)]).tolist() == [NONE, 0]


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_nothing_is_taken_twice(tracks: int, objects: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    likely = rng.random(objects) < 0.5
    found = match(rng.random((tracks, objects)), [(likely, 0.2), (~likely, 0.4)])
    taken = found[found != NONE]
    assert len(np.unique(taken)) == len(taken)


def test_masks_are_moved_and_compared_within_their_class() -> None:
    before = boxes_full([(0, 0, 10, 10), (40, 40, 50, 50)], class_ids=[1, 2])
    now = boxes_full([(6, 0, 16, 10), (40, 40, 50, 50)], class_ids=[1, 1])
    shifts = np.array([[6, 0], [0, 0]], np.intp)
    predicted = before.boxes + np.array([[6, 0, 6, 0], [0, 0, 0, 0]], np.float64)
    found = similarity(predicted, before.class_ids, before.crops(), shifts, now)
    assert found.tolist() == [[1 + BOX_SHARE, 0], [0, 0]]


def test_boxes_meet_that_lie_beside_each_other() -> None:
    """Two squares of 10, 8 apart: grown to 20 they share 2 of 38 columns."""
    now = boxes_full([(18, 0, 28, 10)])
    before = boxes_full([(0, 0, 10, 10)])
    unmoved = np.zeros((1, 2), np.intp)
    found = similarity(before.boxes.astype(np.float64), before.class_ids, before.crops(), unmoved, now)
    np.testing.assert_allclose(found, [[BOX_SHARE * 2 / 38]])

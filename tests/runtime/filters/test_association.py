"""Tracks and objects find each other: the best pair first, each at most once, class by class."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.filters.association import NONE, match, overlaps
from edgeseg.runtime.results import MaskCrop
from tests.runtime.filters.objects import boxes_full

ALL = np.ones(2, np.bool_)


def test_the_best_pair_comes_first() -> None:
    overlap = np.array([[0.6, 0.7], [0.1, 0.65]])
    assert match(overlap, [(ALL, 0.05)]).tolist() == [1, 0]


def test_too_little_is_no_match() -> None:
    overlap = np.array([[0.6, 0.7], [0.1, 0.65]])
    assert match(overlap, [(ALL, 0.2)]).tolist() == [NONE, 0]


def test_the_first_stage_goes_before_better_pairs_of_the_second() -> None:
    overlap = np.array([[0.3, 0.9]])
    likely = np.array([True, False])
    assert match(overlap, [(likely, 0.2), (~likely, 0.4)]).tolist() == [0, NONE]
    assert match(overlap, [(likely, 0.5), (~likely, 0.4)]).tolist() == [NONE, 0]


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
    found = overlaps(predicted, before.class_ids, before.crops(), shifts, now)
    assert found.tolist() == [[1, 0], [0, 0]]


def test_boxes_stand_in_for_masks_without_pixels() -> None:
    now = boxes_full([(0, 0, 10, 10)])
    nothing = MaskCrop(0, 0, np.zeros((10, 10), np.bool_))
    found = overlaps(np.array([[0, 0, 10, 5]]), np.array([1]), [nothing], np.zeros((1, 2), np.intp), now)
    assert found.tolist() == [[0.5]]

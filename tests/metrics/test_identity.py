"""Switches and IDF1 by hand, and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.metrics.identity import IdentityErrors


def _count(frames: list[tuple[list[int], list[int]]]) -> IdentityErrors:
    """Frames in which the true objects, and what was found of them in that order, are as listed."""
    errors = IdentityErrors()
    for identities, tracks in frames:
        iou = np.zeros((len(identities), len(tracks)))
        np.fill_diagonal(iou, 0.9)
        errors.add(np.array(identities, np.int64), np.array(tracks, np.int64), iou)
    return errors


def test_tracks_that_stay_are_without_fault() -> None:
    errors = _count([([1, 2], [7, 5])] * 4)
    assert (errors.switches, errors.tracks, errors.idf1) == (0, 2, 1.0)


def test_an_object_that_changes_its_track_by_hand() -> None:
    """Track 7 explains 3 of 4 frames, 8 the last: IDF1 = 2 * 3 / (4 + 4)."""
    errors = _count([([1], [7]), ([1], [7]), ([1], [7]), ([1], [8])])
    assert (errors.switches, errors.tracks, errors.idf1) == (1, 2, 0.75)


def test_tracks_that_are_exchanged_are_two_switches() -> None:
    """Four of eight detections are explained, whichever track is whose."""
    errors = _count([([1, 2], [7, 5])] * 2 + [([1, 2], [5, 7])] * 2)
    assert (errors.switches, errors.tracks, errors.idf1) == (2, 2, 0.5)


def test_an_object_that_is_missed_for_a_while_keeps_its_track() -> None:
    errors = _count([([1], [7]), ([1], []), ([1], []), ([1], [7])])
    assert errors.switches == 0
    assert errors.idf1 == pytest.approx(2 * 2 / (4 + 2))


def test_what_is_found_where_nothing_is_lowers_idf1_alone() -> None:
    errors = IdentityErrors()
    errors.add(np.array([1]), np.array([7, 9]), np.array([[0.9, 0.1]]))
    assert (errors.switches, errors.idf1) == (0, 2 / 3)


def test_too_little_overlap_is_not_found() -> None:
    errors = IdentityErrors()
    errors.add(np.array([1]), np.array([7]), np.array([[0.49]]))
    assert (errors.tracks, errors.idf1) == (0, 0.0)


def test_of_two_that_overlap_an_object_the_better_one_is_its_track() -> None:
    errors = IdentityErrors()
    errors.add(np.array([1]), np.array([7, 9]), np.array([[0.6, 0.8]]))
    errors.add(np.array([1]), np.array([7, 9]), np.array([[0.8, 0.6]]))
    assert errors.switches == 1


def test_ignored_objects_count_neither_way() -> None:
    errors = IdentityErrors()
    for track in (7, 8):
        errors.add(
            np.array([1, 2]), np.array([5, track]), np.diag([0.9, 0.9]), ignored=np.array([False, True])
        )
    assert (errors.switches, errors.tracks, errors.idf1) == (0, 1, 1.0)


def test_a_video_without_objects_is_without_fault() -> None:
    assert IdentityErrors().idf1 == 1.0
    assert _count([([], [])]).idf1 == 1.0

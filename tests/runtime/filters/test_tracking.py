"""Ids stay with their objects, whatever is dropped, hidden or found by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg.frames.results import NO_TRACK, InstanceResult, SemanticResult
from edgeseg.runtime.filters import Tracker
from edgeseg.runtime.filters.tracking import LOST_S, MOST_TRACKS
from tests.runtime.filters.objects import Box, boxes_full, frame

FPS = 10.0


def _ids(tracker: Tracker, index: int, result: InstanceResult) -> list[int]:
    found = tracker(frame(index, fps=FPS), result)
    assert found.track_ids is not None
    assert found.track_ids.dtype == np.int64
    return [int(one) for one in found.track_ids]


def _at(x: float, y: float = 20.0) -> Box:
    return (x, y, x + 12, y + 12)


def test_ids_stay_with_objects_that_pass_each_other() -> None:
    tracker = Tracker()
    for index in range(20):
        result = boxes_full([_at(3.0 * index, 20), _at(60 - 3.0 * index, 26)])
        assert _ids(tracker, index, result) == [1, 2]


def test_nothing_else_of_a_result_changes() -> None:
    result = boxes_full([_at(10), _at(40)], scores=[0.6, 0.9])
    tracked = Tracker()(frame(0), result)
    assert result.track_ids is None
    assert tracked.boxes is result.boxes
    assert tracked.scores is result.scores
    assert tracked.crops() is result.crops()


def test_a_likely_object_has_an_id_when_it_is_found_again() -> None:
    tracker = Tracker()
    assert _ids(tracker, 0, boxes_full([_at(10)], scores=[0.6])) == [NO_TRACK]
    assert _ids(tracker, 1, boxes_full([_at(11)], scores=[0.6])) == [1]


def test_what_is_found_once_by_chance_leaves_no_track() -> None:
    tracker = Tracker()
    for index in range(0, 6, 2):
        assert _ids(tracker, index, boxes_full([_at(10)], scores=[0.6])) == [NO_TRACK]
        assert _ids(tracker, index + 1, boxes_full([])) == []


def test_an_unlikely_object_goes_on_with_a_track_and_begins_none() -> None:
    tracker = Tracker()
    assert _ids(tracker, 0, boxes_full([_at(10)])) == [1]
    assert _ids(tracker, 1, boxes_full([_at(11), _at(40)], scores=[0.3, 0.3])) == [1, NO_TRACK]
    assert _ids(tracker, 2, boxes_full([_at(12), _at(40)], scores=[0.3, 0.3])) == [1, NO_TRACK]


def test_an_object_keeps_its_id_while_it_is_hidden() -> None:
    """It moves 40 pixels a second and is not seen for half of one."""
    tracker = Tracker()
    for index in range(5):
        assert _ids(tracker, index, boxes_full([_at(4.0 * index)])) == [1]
    for index in range(5, 10):
        assert _ids(tracker, index, boxes_full([])) == []
    assert _ids(tracker, 10, boxes_full([_at(40)])) == [1]


def test_frames_that_are_dropped_do_not_matter() -> None:
    """Of 40 pixels a second every third frame is seen, so that boxes no longer overlap."""
    tracker = Tracker()
    for index in (0, 1, 2, 3, 6, 9, 12):
        assert _ids(tracker, index, boxes_full([_at(4.0 * index)])) == [1]


def test_a_track_ends_when_its_object_is_gone_for_long() -> None:
    tracker = Tracker()
    assert _ids(tracker, 0, boxes_full([_at(10)])) == [1]
    late = int(LOST_S * FPS) + 1
    assert _ids(tracker, late, boxes_full([_at(10)])) == [2]


def test_classes_do_not_mix() -> None:
    tracker = Tracker()
    assert _ids(tracker, 0, boxes_full([_at(10)], class_ids=[1])) == [1]
    assert _ids(tracker, 1, boxes_full([_at(10)], class_ids=[2])) == [2]
    assert _ids(tracker, 2, boxes_full([_at(10)], class_ids=[1])) == [1]


def test_frames_of_another_size_begin_anew_with_new_ids() -> None:
    tracker = Tracker()
    assert _ids(tracker, 0, boxes_full([_at(10)])) == [1]
    assert _ids(tracker, 1, boxes_full([_at(10)], frame_hw=(120, 160))) == [2]


def test_tracks_are_bounded() -> None:
    tracker = Tracker()
    for index in range(8):
        many = [
            (float(x), float(y), x + 1.0, y + 1.0)
            for x in range(index % 2, 80, 8)
            for y in range(index, 60, 6)
        ]
        _ids(tracker, index, boxes_full(many))
    assert len(tracker._tracks) <= MOST_TRACKS


def test_labels_are_refused() -> None:
    with pytest.raises(UsageError, match="takes instances, got semantic labels"):
        Tracker()(frame(0), SemanticResult(np.zeros((60, 80), np.uint8)))


@st.composite
def frames_of_boxes(draw: st.DrawFn) -> list[list[tuple[Box, float, int]]]:
    """Up to six frames of up to five boxes with score and class."""
    x, y, side = st.integers(0, 60), st.integers(0, 40), st.integers(1, 20)
    box = st.tuples(x, y, side, side).map(
        lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
    )
    one = st.tuples(box, st.sampled_from([0.2, 0.55, 0.7, 0.9]), st.integers(1, 2))
    return draw(st.lists(st.lists(one, max_size=5, unique_by=lambda o: o[0]), max_size=6))


def _result(found: list[tuple[Box, float, int]]) -> InstanceResult:
    return boxes_full(
        [box for box, _, _ in found], scores=[s for _, s, _ in found], class_ids=[c for _, _, c in found]
    )


@given(frames_of_boxes(), st.randoms(use_true_random=False))
def test_ids_are_unique_in_a_frame_and_do_not_depend_on_the_order(frames: list, random: object) -> None:
    one, other = Tracker(), Tracker()
    for index, found in enumerate(frames):
        ids = _ids(one, index, _result(found))
        known = [track for track in ids if track != NO_TRACK]
        assert len(set(known)) == len(known)
        order = list(range(len(found)))
        random.shuffle(order)
        shuffled = _ids(other, index, _result([found[i] for i in order]))
        assert shuffled == [ids[i] for i in order]

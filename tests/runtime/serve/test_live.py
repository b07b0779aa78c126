from __future__ import annotations

import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.frames.results import NO_TRACK, SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.serve import live
from edgeseg.runtime.serve.live import KEPT, MOST_SIDE_PX, LiveSink, Shot

from ..fakes import two_animals
from .sites import semantic_frame


def _decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def test_the_label_map_of_a_semantic_result_is_its_labels() -> None:
    frame, result = semantic_frame(3, 2)
    np.testing.assert_array_equal(_decoded(Shot(1, frame, result).label_map()), result.labels)


def test_areas_leave_out_what_has_no_class() -> None:
    labels = np.array([[0, 0, 2], [255, 255, 2]], np.uint8)
    shot = Shot(1, Frame(np.zeros((2, 3, 3), np.uint8), 0, 0.0), SemanticResult(labels))
    assert shot.summary()["areas"] == {0: 2, 2: 2}


def test_the_label_map_of_instances_tells_their_places_in_the_summary_the_best_on_top() -> None:
    result = two_animals()
    shot = Shot(1, Frame(np.zeros((6, 8, 3), np.uint8), 0, 0.0), result)
    labels = _decoded(shot.label_map())
    expected = np.where(result.masks[0], 1, np.where(result.masks[1], 2, 0))
    np.testing.assert_array_equal(labels, expected)
    assert [one["class_id"] for one in shot.summary()["instances"]] == result.class_ids.tolist()


def test_an_object_without_a_track_has_none() -> None:
    result = replace(two_animals(), track_ids=np.array([7, NO_TRACK]))
    shot = Shot(1, Frame(np.zeros((6, 8, 3), np.uint8), 0, 0.0), result)
    assert [one["track_id"] for one in shot.summary()["instances"]] == [7, None]


def test_large_pictures_and_their_label_maps_shrink_to_one_size() -> None:
    image = np.zeros((1200, 2 * MOST_SIDE_PX, 3), np.uint8)
    shot = Shot(1, Frame(image, 0, 0.0), SemanticResult(np.full(image.shape[:2], 7, np.uint8)))
    assert _decoded(shot.jpeg()).shape == (600, MOST_SIDE_PX, 3)
    assert (_decoded(shot.label_map()) == np.full((600, MOST_SIDE_PX), 7)).all()


def test_the_newest_result_takes_the_place_of_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LEAST_APART_S", 0.0)
    sink = LiveSink()
    assert sink.newest() is None
    for index in range(KEPT + 2):
        sink.write(*semantic_frame(index, 1), None)
        newest = sink.newest()
    assert newest is not None
    assert newest.summary()["index"] == KEPT + 1
    assert sink.newest(after=newest.number) is None
    assert sink.numbered(newest.number - 1) is not None  # a client is fetching it
    assert sink.numbered(1) is None


def test_all_clients_are_shown_the_same_until_a_picture_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LEAST_APART_S", 60.0)
    sink = LiveSink()
    sink.write(*semantic_frame(0, 1), None)
    first = sink.newest()
    assert first is not None
    sink.write(*semantic_frame(1, 1), None)
    assert sink.newest() is first
    assert sink.newest(after=first.number) is None
    monkeypatch.setattr(live, "LEAST_APART_S", 0.0)
    newest = sink.newest(after=first.number)
    assert newest is not None
    assert newest.number == 2


def test_the_label_map_as_bytes_is_that_of_the_png() -> None:
    shot = Shot(1, *semantic_frame(3, 2))
    png = _decoded(shot.label_map())
    assert zlib.decompress(shot.label_bytes()) == png.tobytes()

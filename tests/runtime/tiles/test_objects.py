"""Objects seen in several tiles come out once, and whole; two objects stay two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime import FakeBackend, InstanceRefinement, InstanceResult, MaskCrop, Segmenter
from edgeseg.runtime.fake import SCORE
from edgeseg.runtime.tiles.mosaic import Mosaic, lay_out
from edgeseg.runtime.tiles.objects import joined_objects
from edgeseg.runtime.tiles.tiling import Tiling
from tests.runtime.specs import instances_spec

FRAME_HW = (160, 200)
TILE_HW = (64, 80)  # rows begin at 0, 48 and 96, columns at 0, 60 and 120: 16 and 20 pixels overlap

Box = tuple[int, int, int, int]  # left, top, right, bottom
Thing = tuple[Box, int]  # and class


def mosaic_of(*, whole: bool = False) -> Mosaic:
    mosaic = lay_out(FRAME_HW, instances_spec(2, TILE_HW), Tiling(whole=whole))
    assert isinstance(mosaic, Mosaic)
    assert (mosaic.tops, mosaic.lefts) == ((0, 48, 96), (0, 60, 120))
    return mosaic


def result_of(boxes: Sequence[Box], classes: Sequence[int], scores: Sequence[float]) -> InstanceResult:
    """Filled boxes, in pixels of the frame."""
    crops = [MaskCrop(x1, y1, np.ones((y2 - y1, x2 - x1), bool)) for x1, y1, x2, y2 in boxes]
    return InstanceResult(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(classes, np.int64),
        FRAME_HW,
        tuple(crops),
    )


def seen(things: Sequence[Thing], mosaic: Mosaic) -> list[InstanceResult]:
    """What a perfect network finds in each tile: the parts of things that lie in it."""
    results = []
    for number, (top, left) in enumerate(mosaic.corners):
        parts = [
            ((max(x1, left), max(y1, top), min(x2, left + TILE_HW[1]), min(y2, top + TILE_HW[0])), class_id)
            for (x1, y1, x2, y2), class_id in things
        ]
        parts = [(box, class_id) for box, class_id in parts if box[0] < box[2] and box[1] < box[3]]
        boxes, classes = [box for box, _ in parts], [class_id for _, class_id in parts]
        results.append(result_of(boxes, classes, [0.5 + number / 100] * len(parts)))
    return results


def plain(result: InstanceResult) -> list[Thing]:
    boxes = [tuple(map(int, box)) for box in result.boxes.tolist()]
    return sorted(zip(boxes, result.class_ids.tolist(), strict=True))  # type: ignore[arg-type]


def assert_filled(result: InstanceResult) -> None:
    for (x1, y1, x2, y2), mask in zip(result.boxes.astype(int).tolist(), result.masks, strict=True):
        assert mask[y1:y2, x1:x2].all()
        assert np.count_nonzero(mask) == (y2 - y1) * (x2 - x1)


@pytest.mark.parametrize(
    "things",
    [
        [((10, 10, 30, 30), 1)],  # in one tile
        [((62, 10, 78, 30), 1)],  # in what two tiles share
        [((40, 10, 76, 30), 1)],  # whole in one, cut in the other
        [((20, 10, 110, 30), 1)],  # across a seam, and wider than a tile
        [((40, 30, 100, 80), 2)],  # around a corner where four tiles meet
        [((5, 5, 195, 155), 1)],  # in all of them
        [((40, 10, 70, 30), 1), ((70, 10, 100, 30), 1)],  # two of a class that touch where tiles overlap
        [((20, 10, 70, 30), 1), ((20, 30, 70, 55), 1)],  # two that touch along the seam
        [((10, 10, 76, 40), 1), ((64, 14, 74, 34), 2)],  # one of another class in front
        [],
    ],
)
def test_each_object_comes_out_once_and_whole(things: list[Thing]) -> None:
    mosaic = mosaic_of()
    result = joined_objects(seen(things, mosaic), mosaic)
    assert plain(result) == sorted(things)
    assert_filled(result)


@given(
    st.lists(
        st.tuples(
            st.tuples(st.integers(0, 9), st.integers(0, 7)),
            st.tuples(st.integers(1, 6), st.integers(1, 6)),
            st.integers(1, 2),
        ),
        max_size=6,
    )
)
def test_so_do_any_that_share_no_pixel(places: list[tuple[tuple[int, int], tuple[int, int], int]]) -> None:
    things: list[Thing] = []
    taken = np.zeros((8, 10), bool)  # squares of 20 pixels
    for (x, y), (width, height), class_id in places:
        square = taken[y : y + height, x : x + width]
        if not square.any():
            square[:] = True
            box = (20 * x, 20 * y, 20 * x + 20 * square.shape[1], 20 * y + 20 * square.shape[0])
            things.append((box, class_id))
    mosaic = mosaic_of()
    result = joined_objects(seen(things, mosaic), mosaic)
    assert plain(result) == sorted(things)
    assert_filled(result)


def test_scores_are_the_best_of_what_was_found_and_descend() -> None:
    mosaic = mosaic_of()
    result = joined_objects(seen([((5, 5, 50, 30), 1), ((100, 20, 190, 150), 2)], mosaic), mosaic)
    assert result.scores.tolist() == pytest.approx([0.58, 0.50])


def in_views(mosaic: Mosaic, found: dict[int, InstanceResult]) -> list[InstanceResult]:
    return [found.get(number, result_of([], [], [])) for number in range(mosaic.images)]


def test_an_object_that_was_seen_whole_stays_as_it_was_seen() -> None:
    mosaic = mosaic_of()
    whole = result_of([(30, 10, 74, 30)], [1], [0.6])
    cut = result_of([(60, 6, 78, 33)], [1], [0.9])  # its neighbour sees less of it, and less well
    result = joined_objects(in_views(mosaic, {0: whole, 1: cut}), mosaic)
    assert plain(result) == [((30, 10, 74, 30), 1)]
    assert result.scores.tolist() == pytest.approx([0.9])


def test_a_part_of_one_that_was_seen_whole_goes() -> None:
    mosaic = mosaic_of()
    whole = result_of([(30, 10, 74, 40)], [1], [0.9])
    sliver = result_of([(60, 10, 64, 20)], [1], [0.4])
    result = joined_objects(in_views(mosaic, {0: whole, 1: sliver}), mosaic)
    assert plain(result) == [((30, 10, 74, 40), 1)]


def test_an_object_that_no_tile_holds_is_taken_from_the_whole_frame() -> None:
    mosaic = mosaic_of(whole=True)
    found = dict(enumerate(seen([((10, 10, 190, 40), 1), ((90, 100, 110, 120), 2)], mosaic)))
    found[9] = result_of([(8, 8, 192, 44), (88, 98, 113, 124)], [1, 2], [0.8, 0.4])
    result = joined_objects(in_views(mosaic, found), mosaic)
    assert plain(result) == [
        ((8, 8, 192, 44), 1),
        ((90, 100, 110, 120), 2),
    ]  # a tile sees the small one better


def test_objects_of_two_classes_are_not_made_one() -> None:
    mosaic = mosaic_of()
    found = {0: result_of([(62, 10, 76, 30)], [1], [0.6]), 1: result_of([(62, 10, 76, 30)], [2], [0.7])}
    assert len(joined_objects(in_views(mosaic, found), mosaic)) == 2


@pytest.mark.parametrize("refinement", [None, InstanceRefinement()])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_segmenter_finds_one_object_in_four_tiles(
    refinement: InstanceRefinement | None, batch: int
) -> None:
    frame = np.zeros((*FRAME_HW, 3), np.uint8)
    frame[30:80, 40:100] = 255
    spec = instances_spec(2, TILE_HW, mask_size=28, batch=batch)
    backend = FakeBackend(spec)
    segment = Segmenter(backend.engine(), tiles=Tiling(), refinement=refinement)
    result = segment(frame)
    assert isinstance(result, InstanceResult)
    assert backend.calls == -(-10 // batch)
    assert plain(result) == [((40, 30, 100, 80), 2)]
    assert result.scores.tolist() == pytest.approx([SCORE])
    wrong = np.count_nonzero(result.masks[0] != (frame[..., 0] > 0))
    assert wrong < 0.05 * 50 * 60

from __future__ import annotations

import numpy as np

from edgeseg.frames.geometry import place
from edgeseg.frames.preprocess import Prepared
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.streams.batch import Batch, Item
from edgeseg.spec import InputSpec

PLACEMENT = place((2, 2), InputSpec(2, 2))


def item() -> Item:
    return Item(None, None, Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0), 0.0)  # type: ignore[arg-type]


def prepared(*values: int) -> Prepared:
    return Prepared(np.stack([np.full((2, 2, 3), value, np.uint8) for value in values]), PLACEMENT)


def test_each_frame_gets_its_own_part_of_the_outputs() -> None:
    batch = Batch((4, 2, 2, 3))
    one, tiled = item(), item()
    batch.add(one, prepared(1))
    batch.add(tiled, prepared(2, 3))
    assert [image.max() for image in batch.images] == [1, 2, 3]
    assert batch.split({"sum": batch.images.sum(axis=(1, 2, 3), dtype=int)}) == [one, tiled]
    assert one.outputs["sum"].tolist() == [12]
    assert tiled.outputs["sum"].tolist() == [24, 36]


def test_a_frame_with_more_tiles_than_the_engine_takes_at_once_finds_room() -> None:
    batch = Batch((1, 2, 2, 3))
    batch.add(item(), prepared(1, 2, 3))
    assert [image.max() for image in batch.images] == [1, 2, 3]


def test_the_buffer_is_used_again_and_is_not_the_frame() -> None:
    batch = Batch((2, 2, 2, 3))
    frame = prepared(7)
    batch.add(item(), frame)
    buffer = batch.images.base
    frame.image[:] = 0
    assert batch.images.max() == 7
    batch.clear()
    assert len(batch.images) == 0
    batch.add(item(), prepared(9))
    assert batch.images.base is buffer


def test_numbers_keep_their_type() -> None:
    batch = Batch((1, 2, 2, 5), "float32")
    tiles = np.full((2, 2, 2, 5), -0.25, np.float32)
    batch.add(item(), Prepared(tiles, PLACEMENT))
    np.testing.assert_array_equal(batch.images, tiles)

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import ShapeError
from edgeseg.frames.preprocess import Preprocessor
from edgeseg.runtime.tiles.cut import TileCutter
from edgeseg.runtime.tiles.mosaic import Mosaic
from edgeseg.runtime.tiles.tiling import Tiling
from tests.runtime.specs import instances_spec, labels_spec, logits_spec


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def test_tiles_are_the_frames_own_pixels() -> None:
    frame = noise(80, 120)
    images, mosaic = TileCutter(labels_spec(), Tiling())(frame)
    assert isinstance(mosaic, Mosaic)
    assert images.shape == (9, 32, 48, 3)
    assert images.flags.c_contiguous
    for image, (top, left) in zip(images, mosaic.corners, strict=True):
        np.testing.assert_array_equal(image, frame[top : top + 32, left : left + 48])


def test_what_is_left_of_the_last_tiles_has_the_colour_of_padding() -> None:
    frame = noise(81, 121)
    cut = TileCutter(logits_spec(pad_bgr=(1, 2, 3)), Tiling())
    for _ in range(2):
        images, mosaic = cut(frame)
    assert isinstance(mosaic, Mosaic)
    top, left = mosaic.corners[-1]
    np.testing.assert_array_equal(images[-1, : 81 - top, : 121 - left], frame[top:, left:])
    assert (images[-1, 81 - top :] == (1, 2, 3)).all()
    assert (images[-1, :, 121 - left :] == (1, 2, 3)).all()


@pytest.mark.parametrize("by", ["linear", "antialias", "area", "pil"])
def test_frames_are_resized_once_to_so_many_tiles(by: str) -> None:
    frame = noise(200, 240)
    images, mosaic = TileCutter(labels_spec(resize_filter=by), Tiling((3, 3), 0.25))(frame)
    assert isinstance(mosaic, Mosaic)
    halved = Preprocessor(labels_spec((80, 120), resize_filter=by).input)(frame).image[0]
    for image, (top, left) in zip(images, mosaic.corners, strict=True):
        np.testing.assert_array_equal(image, halved[top : top + 32, left : left + 48])


def test_the_whole_frame_comes_last() -> None:
    frame = noise(80, 120)
    spec = instances_spec(resize="letterbox")
    images, _ = TileCutter(spec, Tiling())(frame)
    assert len(images) == 10
    np.testing.assert_array_equal(images[-1:], Preprocessor(spec.input)(frame).image)


def test_a_small_frame_goes_through_uncut_and_is_noted() -> None:
    cut = TileCutter(labels_spec(), Tiling())
    cut(noise(80, 120))
    assert cut.notes == ()
    for _ in range(2):
        images, placement = cut(noise(20, 30))
        expected = Preprocessor(labels_spec().input)(noise(20, 30))
        np.testing.assert_array_equal(images, expected.image)
        assert placement == expected.placement
    assert cut.notes == ("frames of 30x20 need no tiles of 48x32, and were not cut",)


def test_frames_may_change_their_size_and_need_not_be_contiguous() -> None:
    cut = TileCutter(labels_spec(), Tiling())
    for size in ((80, 120), (33, 48), (20, 20), (200, 50), (80, 120)):
        frame = noise(*size)
        images, placement = cut(frame[:, ::-1])
        again, same = TileCutter(labels_spec(), Tiling())(np.ascontiguousarray(frame[:, ::-1]))
        assert placement == same
        np.testing.assert_array_equal(images, again)


def test_the_tiles_buffer_is_used_again() -> None:
    cut = TileCutter(labels_spec(), Tiling())
    assert cut(noise(80, 120)).image is cut(noise(80, 120)).image


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ShapeError, match="uint8 BGR"):
        TileCutter(labels_spec(), Tiling())(np.zeros((80, 120), np.uint8))

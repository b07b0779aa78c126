from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.frames.geometry import place
from edgeseg.runtime.tiles.mosaic import Mosaic, lay_out, output_stride_hw
from edgeseg.runtime.tiles.tiling import Tiling
from tests.runtime.specs import SIZE_HW, STRIDE, instances_spec, labels_spec, logits_spec

HEIGHT, WIDTH = SIZE_HW  # 32, 48
LABELS, LOGITS, INSTANCES = labels_spec(), logits_spec(), instances_spec()


def test_auto_cuts_a_frame_as_it_is() -> None:
    mosaic = lay_out((80, 120), LABELS, Tiling())
    assert isinstance(mosaic, Mosaic)
    assert (mosaic.tops, mosaic.lefts) == ((0, 24, 48), (0, 36, 72))  # three of each overlap by a quarter
    assert (mosaic.height, mosaic.width) == (80, 120)
    assert mosaic.input_hw == (80, 120)
    assert mosaic.whole is None
    assert mosaic.images == 9
    assert mosaic.corners[:4] == ((0, 0), (0, 36), (0, 72), (24, 0))


def test_windows_begin_at_samples_of_the_logits_and_the_last_ends_in_padding() -> None:
    mosaic = lay_out((81, 120), LOGITS, Tiling())
    assert isinstance(mosaic, Mosaic)
    assert mosaic.tops == (0, 16, 40, 56)
    assert mosaic.input_hw == (88, 120)
    assert (mosaic.height, mosaic.width) == (81, 120)


@pytest.mark.parametrize("frame_hw", [(32, 48), (20, 48), (1, 1)])
@pytest.mark.parametrize("tiles", ["auto", (2, 2)])
def test_a_frame_no_larger_than_the_input_is_not_cut(frame_hw: tuple[int, int], tiles: object) -> None:
    spec = labels_spec(resize="letterbox")
    assert lay_out(frame_hw, spec, Tiling(tiles)) == place(frame_hw, spec.input)


def test_columns_and_rows_are_as_many_as_asked_for() -> None:
    mosaic = lay_out((480, 720), LABELS, Tiling((4, 2), 0.25))
    assert isinstance(mosaic, Mosaic)
    assert (len(mosaic.lefts), len(mosaic.tops)) == (4, 2)
    assert mosaic.input_hw == (HEIGHT + 24, WIDTH + 3 * 36)
    assert (mosaic.height, mosaic.width) == mosaic.input_hw  # this network's frames are stretched


def test_a_frame_keeps_its_aspect_where_the_network_asks_for_it() -> None:
    mosaic = lay_out((100, 1000), labels_spec(resize="letterbox"), Tiling((4, 4), 0.25))
    assert isinstance(mosaic, Mosaic)
    assert (mosaic.height, mosaic.width) == (16, 156)
    assert (len(mosaic.lefts), len(mosaic.tops)) == (4, 1)  # rows that would hold nothing are gone


def test_instances_are_also_looked_for_in_the_whole_frame() -> None:
    mosaic = lay_out((80, 120), INSTANCES, Tiling())
    assert isinstance(mosaic, Mosaic)
    assert mosaic.whole == place((80, 120), INSTANCES.input)
    assert mosaic.images == 10
    assert mosaic.placement(9) == mosaic.whole
    without = lay_out((80, 120), INSTANCES, Tiling(whole=False))
    assert isinstance(without, Mosaic)
    assert without.images == 9


def test_boxes_in_a_tile_are_carried_to_the_frame() -> None:
    mosaic = lay_out((160, 240), INSTANCES, Tiling((3, 3), 0.25))
    assert isinstance(mosaic, Mosaic)
    assert mosaic.input_hw == (80, 120)  # the frame at half its size
    box = np.array([[2, 4, 10, 12]], np.float32)
    assert mosaic.placement(4).boxes_to_frame(box).tolist() == [[76, 56, 92, 72]]


def test_the_stride_is_that_of_logits_that_divide_the_input() -> None:
    assert output_stride_hw(LOGITS) == (STRIDE, STRIDE)
    assert output_stride_hw(LABELS) == (1, 1)
    assert output_stride_hw(INSTANCES) == (1, 1)
    assert output_stride_hw(logits_spec((36, 48))) == (9, 8)  # 4 x 6 samples
    assert output_stride_hw(logits_spec((44, 48))) == (1, 1)  # 5 rows of samples do not divide 44


@given(
    frame_hw=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    tiles=st.one_of(st.just("auto"), st.tuples(st.integers(1, 6), st.integers(2, 6))),
    overlap=st.floats(0, 0.49),
    resize=st.sampled_from(["stretch", "letterbox", "shortest_edge"]),
    make=st.sampled_from([labels_spec, logits_spec, instances_spec]),
)
def test_tiles_cover_the_frame_and_overlap_as_far_as_asked(
    frame_hw: tuple[int, int], tiles: object, overlap: float, resize: str, make: object
) -> None:
    spec = make(resize=resize)  # type: ignore[operator]
    mosaic = lay_out(frame_hw, spec, Tiling(tiles, overlap))  # type: ignore[arg-type]
    if not isinstance(mosaic, Mosaic):
        assert mosaic == place(frame_hw, spec.input)
        return
    strides = output_stride_hw(spec)
    content = (mosaic.height, mosaic.width)
    if tiles == "auto":
        assert content == frame_hw
    else:
        assert len(mosaic.lefts) <= tiles[0]  # type: ignore[index]
        assert len(mosaic.tops) <= tiles[1]  # type: ignore[index]
    for starts, tile, stride, side, canvas in zip(
        (mosaic.tops, mosaic.lefts), SIZE_HW, strides, content, mosaic.input_hw, strict=True
    ):
        assert starts[0] == 0
        assert starts[-1] + tile == canvas >= side
        assert canvas - max(side, tile) < stride
        assert all(start % stride == 0 for start in starts)
        steps = np.diff(starts)
        assert (steps > 0).all()
        assert (steps <= tile * (1 - overlap) + stride).all()

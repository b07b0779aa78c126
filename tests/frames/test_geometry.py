from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.frames.geometry import Placement, place
from edgeseg.spec import InputSpec, ResizePolicy

POLICIES: tuple[ResizePolicy, ...] = ("stretch", "letterbox", "shortest_edge")
sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))
input_sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))


def content(frame_hw: tuple[int, int], input_hw: tuple[int, int], resize: ResizePolicy) -> tuple[int, ...]:
    p = place(frame_hw, InputSpec(*input_hw, resize=resize))
    return p.top, p.left, p.height, p.width


@pytest.mark.parametrize(
    ("frame_hw", "input_hw", "resize", "expected"),
    [
        ((480, 640), (512, 256), "stretch", (0, 0, 512, 256)),
        ((480, 640), (320, 320), "letterbox", (40, 0, 240, 320)),
        ((640, 480), (320, 320), "letterbox", (0, 40, 320, 240)),
        ((3, 4), (8, 8), "letterbox", (1, 0, 6, 8)),
        ((480, 640), (800, 1066), "shortest_edge", (0, 0, 800, 1066)),
        ((480, 640), (800, 1344), "shortest_edge", (0, 0, 800, 1066)),
        ((1080, 1920), (749, 1333), "shortest_edge", (0, 0, 749, 1333)),
        ((640, 480), (800, 1066), "shortest_edge", (0, 0, 800, 600)),
        ((1, 1), (800, 1066), "shortest_edge", (0, 0, 800, 800)),
        ((4320, 7680), (512, 512), "letterbox", (112, 0, 288, 512)),
        ((1, 8000), (64, 64), "letterbox", (31, 0, 1, 64)),
    ],
)
def test_where_a_frame_lies(
    frame_hw: tuple[int, int], input_hw: tuple[int, int], resize: ResizePolicy, expected: tuple[int, ...]
) -> None:
    assert content(frame_hw, input_hw, resize) == expected


@given(sizes, input_sizes, st.sampled_from(POLICIES))
def test_the_picture_lies_inside_the_input_and_touches_it(
    frame_hw: tuple[int, int], input_hw: tuple[int, int], resize: ResizePolicy
) -> None:
    top, left, height, width = content(frame_hw, input_hw, resize)
    assert 0 <= top <= top + height <= input_hw[0]
    assert 0 <= left <= left + width <= input_hw[1]
    assert height >= 1
    assert width >= 1
    if resize != "shortest_edge":  # which may lose a pixel to truncation
        assert height == input_hw[0] or width == input_hw[1]


@pytest.mark.parametrize(
    "frame_hw", [(480, 640), (375, 500), (333, 500), (199, 301), (1080, 1920), (427, 640)]
)
def test_shortest_edge_gives_torchvisions_size(frame_hw: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    transform = pytest.importorskip("torchvision.models.detection.transform")
    resize = transform.GeneralizedRCNNTransform(80, 133, [0.0] * 3, [1.0] * 3)
    theirs = tuple(resize.resize(torch.zeros(3, *frame_hw))[0].shape[1:])
    assert content(frame_hw, theirs, "shortest_edge") == (0, 0, *theirs)


@given(sizes, input_sizes, st.sampled_from(POLICIES))
def test_boxes_come_back_to_where_they_were(
    frame_hw: tuple[int, int], input_hw: tuple[int, int], resize: ResizePolicy
) -> None:
    p = place(frame_hw, InputSpec(*input_hw, resize=resize))
    height, width = frame_hw
    boxes = np.array([[0, 0, width, height], [width / 4, height / 3, width / 2, height]])
    scale = np.array([p.width / width, p.height / height] * 2)
    in_input = (boxes * scale + [p.left, p.top, p.left, p.top]).astype(np.float32)
    back = p.boxes_to_frame(in_input)
    assert back.dtype == np.float32
    # float32 keeps 24 bits of an input coordinate, which the way back scales up
    np.testing.assert_allclose(back, boxes, atol=max(frame_hw) * 2**-20 + 400 * 2**-22 / scale.min())


def test_boxes_are_clipped_to_the_frame() -> None:
    p = place((100, 200), InputSpec(50, 50, resize="letterbox"))  # 25 rows from row 12
    assert p.boxes_to_frame(np.array([[-5, 0, 60, 50]], np.float32)).tolist() == [[0, 0, 200, 100]]


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.sampled_from(POLICIES),
)
def test_every_frame_pixel_takes_the_input_pixel_that_holds_its_centre(
    frame_hw: tuple[int, int], input_hw: tuple[int, int], resize: ResizePolicy
) -> None:
    p = place(frame_hw, InputSpec(*input_hw, resize=resize))
    labels = np.arange(input_hw[0] * input_hw[1], dtype=np.uint16).reshape(input_hw)  # tells pixels apart
    back = p.map_to_frame(labels)  # type: ignore[arg-type]
    assert back.shape == frame_hw
    assert back.flags.c_contiguous
    for y, x in [(0, 0), (frame_hw[0] - 1, frame_hw[1] - 1), (frame_hw[0] // 2, frame_hw[1] // 3)]:
        row = p.top + int(
            (y + 0.5) * p.height / frame_hw[0] + 1e-9
        )  # 1e-9: borders belong to the later pixel
        column = p.left + int((x + 0.5) * p.width / frame_hw[1] + 1e-9)
        assert back[y, x] == labels[row, column]


def test_a_map_of_the_frames_own_size_is_not_copied() -> None:
    labels = np.zeros((4, 6), np.uint8)
    assert np.shares_memory(place((4, 6), InputSpec(4, 6)).map_to_frame(labels), labels)


def test_grid_positions_are_of_centres() -> None:
    # 4 frame rows onto input rows 2 to 6 of 8, on a grid of 4: two input rows a sample
    p = Placement(frame_hw=(4, 4), input_hw=(8, 8), top=2, left=0, height=4, width=8)
    assert p.sample_rows(4).tolist() == [0.75, 1.25, 1.75, 2.25]
    assert p.sample_columns(2).tolist() == [-0.25, 0.25, 0.75, 1.25]


def test_bars_lie_right_and_below_where_the_spec_says_so() -> None:
    spec = InputSpec(320, 320, resize="letterbox", pad_side="right_bottom")
    placement = place((480, 640), spec)
    assert (placement.top, placement.left, placement.height, placement.width) == (0, 0, 240, 320)
    assert placement.boxes_to_frame(np.array([[0, 0, 320, 240]], np.float32)).tolist() == [[0, 0, 640, 480]]

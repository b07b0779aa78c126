"""The filters' definitions give what their own libraries give."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeseg.proof.resizing import Window, reference_input, resized, taps, window_of
from edgeseg.spec import InputSpec, ResizePolicy

FRAMES_HW = [(128, 192), (141, 317), (384, 200), (97, 96)]
SIZE_HW = (64, 96)


def noise(size_hw: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*size_hw, 3), dtype=np.uint8)


@pytest.mark.parametrize("frame_hw", FRAMES_HW)
@pytest.mark.parametrize("kind", ["linear", "antialias"])
def test_bilinear_filters_are_pytorchs(kind: str, frame_hw: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    frame = noise(frame_hw)
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None].double()
    theirs = torch.nn.functional.interpolate(
        planes, size=SIZE_HW, mode="bilinear", antialias=kind == "antialias"
    )
    assert np.abs(resized(frame, SIZE_HW, kind) - theirs[0].permute(1, 2, 0).numpy()).max() < 1e-3


@pytest.mark.parametrize("frame_hw", FRAMES_HW)
def test_area_is_opencvs_which_rounds(frame_hw: tuple[int, int]) -> None:
    theirs = cv2.resize(noise(frame_hw), SIZE_HW[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(resized(noise(frame_hw), SIZE_HW, "area") - theirs).max() <= 0.501


@pytest.mark.parametrize("frame_hw", FRAMES_HW)
def test_pil_is_pillows(frame_hw: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    theirs = np.asarray(image.fromarray(noise(frame_hw)).resize(SIZE_HW[::-1], image.Resampling.BILINEAR))
    other = np.abs(resized(noise(frame_hw), SIZE_HW, "pil") - theirs)
    is_tall = frame_hw[0] > frame_hw[1]  # Pillow 13 resizes the rows of those first, and rounds in between
    assert other.max() <= is_tall


def test_a_third_of_the_size_takes_every_third_pixel_or_means() -> None:
    # scale 3: the centre of output pixel i is the pixel 3 i + 1 itself; area is the mean of three
    pixels, weights = taps(9, 3, "linear")
    assert pixels[:, 0].tolist() == [1, 4, 7]
    assert weights[:, 0].tolist() == [1, 1, 1]
    row = np.arange(9, dtype=np.uint8).reshape(1, 9, 1).repeat(3, axis=2)
    assert resized(row, (1, 3), "area")[0, :, 0].tolist() == [1, 4, 7]
    # a triangle that falls to 0 three pixels from the centre
    pixels, weights = taps(9, 3, "antialias")
    assert weights[1][weights[1] > 0] == pytest.approx([1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9])


@pytest.mark.parametrize(
    ("resize", "frame_hw", "window"),
    [
        ("stretch", (300, 100), Window(0, 0, 100, 200)),
        ("letterbox", (300, 300), Window(0, 50, 100, 100)),
        ("letterbox", (101, 404), Window(25, 0, 50, 200)),
        ("shortest_edge", (300, 300), Window(0, 0, 100, 100)),
        ("shortest_edge", (150, 399), Window(0, 0, 75, 200)),
    ],
)
def test_frames_lie_where_the_policy_says(
    resize: ResizePolicy, frame_hw: tuple[int, int], window: Window
) -> None:
    assert window_of(frame_hw, InputSpec(100, 200, resize=resize)) == window


def test_what_is_around_a_frame_is_padding() -> None:
    spec = InputSpec(8, 16, resize="letterbox", pad_bgr=(1, 2, 3))
    image = reference_input(np.full((32, 32, 3), 100, np.uint8), spec)
    assert (image[:, 4:12] == 100).all()
    assert (image[:, :4] == (1, 2, 3)).all()
    assert (image[:, 12:] == (1, 2, 3)).all()

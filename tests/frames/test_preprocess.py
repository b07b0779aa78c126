from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeseg.errors import ShapeError
from edgeseg.frames.preprocess import Preprocessor
from edgeseg.spec import InputSpec, InputType, ResizeFilter, ResizePolicy

PAD = (10, 20, 30)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_frame_that_fits_is_not_copied() -> None:
    frame = picture(8, 6)
    assert np.shares_memory(Preprocessor(InputSpec(8, 6))(frame).image, frame)


@pytest.mark.parametrize("view", [np.s_[:, ::-1], np.s_[::-1], np.s_[:, :, ::-1]], ids=["x", "y", "bgr"])
@pytest.mark.parametrize("size_hw", [(8, 6), (16, 9)])
def test_strides_do_not_matter(view: tuple[slice, ...], size_hw: tuple[int, int]) -> None:
    prepare, frame = Preprocessor(InputSpec(*size_hw)), picture(8, 6)[view]
    image = prepare(frame).image.copy()
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, prepare(np.ascontiguousarray(frame)).image)


def test_a_frame_is_resized_bilinearly_between_bars() -> None:
    frame = picture(30, 60)
    image, placement = Preprocessor(InputSpec(40, 40, resize="letterbox", pad_bgr=PAD))(frame)
    assert image.shape == (1, 40, 40, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[0][placement.window], cv2.resize(frame, (40, 20)))
    assert (image[0, :10] == PAD).all()
    assert (image[0, 30:] == PAD).all()


@pytest.mark.parametrize("by", ["linear", "antialias", "area", "pil"])
@pytest.mark.parametrize("policy", ["stretch", "letterbox", "shortest_edge"])
def test_a_frame_is_resized_by_the_filter_of_the_spec(policy: ResizePolicy, by: ResizeFilter) -> None:
    frame = picture(130, 200)
    image, placement = Preprocessor(InputSpec(40, 50, resize=policy, resize_filter=by))(frame)
    size_wh = (placement.width, placement.height)
    expected = {
        "linear": cv2.resize(frame, size_wh, interpolation=cv2.INTER_LINEAR),
        "area": cv2.resize(frame, size_wh, interpolation=cv2.INTER_AREA),
    }.get(by, np.asarray(Image.fromarray(frame).resize(size_wh, Image.Resampling.BILINEAR)))
    assert np.abs(image[0][placement.window].astype(int) - expected.astype(int)).max() <= 1


def test_the_buffer_is_reused_and_nothing_of_another_frame_size_remains() -> None:
    prepare = Preprocessor(InputSpec(40, 40, resize="letterbox", pad_bgr=PAD))
    first = prepare(picture(60, 30)).image
    second = prepare(picture(30, 60)).image
    assert second is first
    assert (second[0, :10] == PAD).all()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 700), (4320, 7680)])
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "shortest_edge"])
def test_tiny_and_huge_frames_fit(size_hw: tuple[int, int], resize: str) -> None:
    frame = np.full((*size_hw, 3), 200, np.uint8)
    image, placement = Preprocessor(InputSpec(32, 48, resize=resize))(frame)  # type: ignore[arg-type]
    assert (image[0][placement.window] == 200).all()


@pytest.mark.parametrize(
    ("frame", "fix"),
    [
        (np.zeros((8, 6), np.uint8), "COLOR_GRAY2BGR"),
        (np.zeros((8, 6, 4), np.uint8), "frame[:, :, :3]"),
        (np.zeros((1, 8, 6, 3), np.uint8), "frame[0]"),
        (np.zeros((8, 6, 3), np.uint16), ">> 8"),
        (np.zeros((8, 6, 3), np.float32), "* 255"),
        (np.zeros((0, 6, 3), np.uint8), "got (0, 6, 3) uint8"),
        ([[0]], "numpy array"),
    ],
)
def test_what_is_not_a_frame_is_refused_with_the_way_to_fix_it(frame: np.ndarray, fix: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(fix)):
        Preprocessor(InputSpec(8, 6))(frame)


def _by_planes(frame: np.ndarray, size_wh: tuple[int, int], by: ResizeFilter) -> np.ndarray:
    """Resize each channel alone by the filter's own library."""
    interpolation = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}
    if by in interpolation:
        planes = [
            cv2.resize(np.ascontiguousarray(frame[..., i]), size_wh, interpolation=interpolation[by])
            for i in range(frame.shape[2])
        ]
    else:
        planes = [
            np.asarray(
                Image.fromarray(frame[..., i].astype(np.float32)).resize(size_wh, Image.Resampling.BILINEAR)
            )
            for i in range(frame.shape[2])
        ]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("by", ["linear", "antialias", "area", "pil"])
@pytest.mark.parametrize(
    ("channels", "dtype", "unit"), [(1, "uint16", 1), (5, "uint8", 1), (16, "uint16", 1), (6, "float32", 0.3)]
)
def test_any_channels_and_numbers_are_resized_by_the_filter_of_the_spec(
    channels: int, dtype: InputType, unit: float, by: ResizeFilter
) -> None:
    frame = (np.random.default_rng(0).random((130, 200, channels)) * 250).astype(dtype)
    spec = InputSpec(
        *(40, 50),
        resize="letterbox",
        resize_filter=by,
        channels=channels,
        dtype=dtype,
        channel_order="stored",
        pad_bgr=tuple(range(channels)),
    )
    image, placement = Preprocessor(spec)(frame)
    assert (image.shape, image.dtype) == ((1, 40, 50, channels), dtype)
    expected = _by_planes(frame, (placement.width, placement.height), by)
    apart = np.abs(image[0][placement.window].astype(np.float64) - expected.astype(np.float64))
    assert apart.max() <= (unit if dtype != "float32" else 0.01)
    assert (image[0, 0] == np.arange(channels)).all()  # padded


def test_one_channel_needs_no_axis_and_a_float_input_takes_whole_numbers() -> None:
    spec = InputSpec(8, 6, channels=1, dtype="float32", channel_order="stored")
    frame = np.arange(48, dtype=np.uint16).reshape(8, 6) * 1000
    np.testing.assert_array_equal(Preprocessor(spec)(frame).image[0, ..., 0], frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((8, 6, 3), np.uint16), r"must be \(H, W, 4\) uint16, got \(8, 6, 3\) uint16"),
        (np.zeros((4, 8, 6), np.uint16), r"np\.moveaxis\(frame, 0, -1\)"),
        (np.zeros((1, 8, 6, 4), np.uint16), r"frame\[0\]"),
        (np.zeros((8, 6, 4), np.uint8), "in its own units"),
        ([[0]], "got list"),
    ],
)
def test_what_is_not_a_frame_of_the_networks_channels_is_refused(frame: np.ndarray, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Preprocessor(InputSpec(8, 6, channels=4, dtype="uint16"))(frame)


def test_pixels_that_are_no_numbers_are_refused() -> None:
    spec = InputSpec(8, 6, channels=1, dtype="float32", channel_order="stored")
    with pytest.raises(ShapeError, match=r"no finite number \(NaN, infinity\)"):
        Preprocessor(spec)(np.full((8, 6), np.nan, np.float32))

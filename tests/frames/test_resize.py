"""Each filter gives what the library it is named for gives, within one grey level."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgeseg.frames import resize_kernel
from edgeseg.frames.resize import resize
from edgeseg.frames.resize_weights import triangle
from edgeseg.spec import ResizeFilter

SIDES = st.integers(2, 90) | st.integers(2, 3000).map(lambda side: side if side % 7 == 0 else 2 + side % 6)
PAIRS = st.tuples(SIDES, SIDES).filter(lambda hw: hw[0] * hw[1] <= 20_000)
ROUNDING = 0.5 + 0.02  # float32 weights, of values up to 255


def picture(size_hw: tuple[int, int], *, hard: bool, seed: int = 0) -> NDArray[np.uint8]:
    """Noise or, `hard`, noise of black and white, which leaves nothing to cancel out."""
    values = np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    return np.where(values > 127, np.uint8(255), np.uint8(0)) if hard else values


def resized(frame: NDArray[np.uint8], size_hw: tuple[int, int], by: ResizeFilter) -> NDArray[np.float64]:
    out = np.empty((*size_hw, 3), np.uint8)
    resize(frame, out, by)
    return out.astype(np.float64)


def in_torch(frame: NDArray[np.uint8], size_hw: tuple[int, int], *, antialias: bool) -> NDArray[np.float64]:
    torch = pytest.importorskip("torch")
    image = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    smooth = torch.nn.functional.interpolate(
        image, size_hw, mode="bilinear", align_corners=False, antialias=antialias
    )
    result: NDArray[np.float64] = smooth[0].permute(1, 2, 0).double().numpy()
    return result


@given(PAIRS, PAIRS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_linear_is_opencvs_and_pytorchs_without_antialias(
    frame_hw: tuple[int, int], size_hw: tuple[int, int], hard: bool
) -> None:
    frame = picture(frame_hw, hard=hard)
    found = resized(frame, size_hw, "linear")
    np.testing.assert_array_equal(found, cv2.resize(frame, size_hw[::-1]).reshape(found.shape))
    assert np.abs(found - in_torch(frame, size_hw, antialias=False).round()).max() <= 1


@given(PAIRS, PAIRS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_pil_is_pillows_bilinear(frame_hw: tuple[int, int], size_hw: tuple[int, int], hard: bool) -> None:
    frame = picture(frame_hw, hard=hard)
    theirs = np.asarray(Image.fromarray(frame).resize(size_hw[::-1], Image.Resampling.BILINEAR), np.float64)
    assert np.abs(resized(frame, size_hw, "pil") - theirs).max() <= 1


@given(PAIRS, PAIRS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_antialias_is_torchs_and_torchvisions_of_bytes_and_of_floats(
    frame_hw: tuple[int, int], size_hw: tuple[int, int], hard: bool
) -> None:
    frame = picture(frame_hw, hard=hard)
    found = resized(frame, size_hw, "antialias")
    torch = pytest.importorskip("torch")
    v2 = pytest.importorskip("torchvision.transforms.v2")
    image = torch.from_numpy(frame).permute(2, 0, 1)
    of_bytes = v2.Resize(list(size_hw), antialias=True)(image)
    assert np.abs(found - of_bytes.permute(1, 2, 0).double().numpy()).max() <= 1
    of_floats = v2.Resize(list(size_hw), antialias=True)(image.float() / 255)
    assert np.abs(found - 255 * of_floats.permute(1, 2, 0).double().numpy()).max() <= ROUNDING
    assert np.abs(found - in_torch(frame, size_hw, antialias=True)).max() <= ROUNDING


@given(PAIRS, PAIRS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_area_is_opencvs(frame_hw: tuple[int, int], size_hw: tuple[int, int], hard: bool) -> None:
    frame = picture(frame_hw, hard=hard)
    found = resized(frame, size_hw, "area")
    theirs = cv2.resize(frame, size_hw[::-1], interpolation=cv2.INTER_AREA).reshape(found.shape)
    assert np.abs(found - theirs).max() <= 1


@pytest.mark.parametrize("ratio", [2, 3, 4, 7])
def test_area_is_opencvs_at_whole_ratios(ratio: int) -> None:
    frame = picture((ratio * 37, ratio * 50), hard=True)
    theirs = cv2.resize(frame, (50, 37), interpolation=cv2.INTER_AREA).astype(np.float64)
    assert np.abs(resized(frame, (37, 50), "area") - theirs).max() <= 1


@pytest.mark.parametrize("by", ["linear", "area"])
@pytest.mark.parametrize(
    ("channels", "dtype"), [(3, np.uint8), (1, np.uint8), (5, np.uint16), (2, np.float32)]
)
@given(PAIRS, PAIRS)
@settings(max_examples=40, deadline=None)
def test_opencvs_filters_are_the_same_without_it(
    by: ResizeFilter,
    channels: int,
    dtype: type[np.uint8 | np.uint16 | np.float32],
    frame_hw: tuple[int, int],
    size_hw: tuple[int, int],
) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*frame_hw, channels)).astype(dtype)
    theirs, own = (np.empty((*size_hw, channels), dtype) for _ in range(2))
    resize(frame, theirs, by)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeseg.frames.resize.is_installed", lambda: False)
        resize(frame, own, by)
    rounding = {np.uint8: by == "area", np.uint16: 1, np.float32: 1e-3}[dtype]
    assert np.abs(own.astype(np.float64) - theirs).max() <= rounding


@pytest.mark.parametrize("name", ["avx2", "baseline", "numpy"])
@given(PAIRS, PAIRS)
@settings(max_examples=60, deadline=None)
def test_every_kernel_gives_the_same(name: str, frame_hw: tuple[int, int], size_hw: tuple[int, int]) -> None:
    if name not in (resize_kernel.fastest(), "baseline", "numpy") or not built(name):
        pytest.skip(f"the kernel {name} is not built, or this CPU cannot run it")
    frame = picture(frame_hw, hard=True)
    rows, columns = (triangle(*sides) for sides in zip(frame_hw, size_hw, strict=True))
    out = np.empty((*size_hw, 3), np.uint8)
    if name == "numpy":
        resize_kernel.resize_by_numpy(frame, rows, columns, out)
    else:
        resize_kernel.resize_by_kernel(name, frame, rows, columns, out)
    assert np.abs(out - in_torch(frame, size_hw, antialias=True)).max() <= ROUNDING


def test_a_single_pixel_or_line_is_enlarged() -> None:
    """PyTorch 2.14 does not interpolate between the rows of a picture that is one pixel wide; Pillow does."""
    frame = np.array([[[0, 10, 255]], [[255, 10, 255]]], np.uint8)
    by_hand = [[[0, 10, 255]], [[64, 10, 255]], [[191, 10, 255]], [[255, 10, 255]]]
    for by in ("linear", "antialias", "pil"):
        assert resized(frame, (4, 1), by).tolist() == by_hand
        assert resized(frame.transpose(1, 0, 2), (1, 4), by).transpose(1, 0, 2).tolist() == by_hand
        assert resized(frame[:1], (3, 2), by).tolist() == [[[0, 10, 255]] * 2] * 3


def built(name: str) -> bool:
    return name == "numpy" or resize_kernel._path(name).exists()


@pytest.mark.parametrize("by", ["linear", "antialias", "area", "pil"])
@pytest.mark.parametrize("view", ["flipped", "mirrored", "cropped", "every other"])
def test_frames_and_targets_may_lie_anywhere(by: ResizeFilter, view: str) -> None:
    whole = picture((60, 80), hard=False)
    views = {
        "flipped": whole[::-1],
        "mirrored": whole[:, ::-1],
        "cropped": whole[11:50, 13:70],
        "every other": whole[::2, ::2],
    }
    canvas = np.full((40, 50, 3), 7, np.uint8)
    resize(views[view], canvas[3:30, 5:38], by)
    expected = np.full((40, 50, 3), 7, np.uint8)
    expected[3:30, 5:38] = resized(np.ascontiguousarray(views[view]), (27, 33), by)
    np.testing.assert_array_equal(canvas, expected)


@pytest.mark.parametrize("by", ["antialias", "area", "pil"])
def test_what_has_one_colour_keeps_it(by: ResizeFilter) -> None:
    for size_hw in ((7, 11), (100, 3), (512, 512)):
        out = resized(np.full((479, 641, 3), (1, 128, 255), np.uint8), size_hw, by)
        assert (out == (1, 128, 255)).all()


def test_stripes_finer_than_the_result_become_grey_where_they_are_smoothed() -> None:
    """Stripes of 2 pixels, 6 times smaller: interpolated they stay stripes, smoothed they are grey."""
    frame = np.zeros((120, 120, 3), np.uint8)
    frame[:, (np.arange(120) // 2) % 2 == 0] = 255
    spread = {by: np.ptp(resized(frame, (23, 23), by)) for by in ("linear", "antialias", "area", "pil")}
    assert spread["linear"] == 255
    assert max(spread["antialias"], spread["pil"]) < 60


def test_without_a_kernel_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = picture((97, 131), hard=False)
    for by in ("antialias", "area", "pil"):
        compiled = resized(frame, (31, 40), by)
        with monkeypatch.context() as patched:
            patched.setattr("edgeseg.frames.resize.fastest", lambda: None)
            assert np.abs(resized(frame, (31, 40), by) - compiled).max() <= 1

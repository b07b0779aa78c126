"""Files of arrays become frames of the network's own channels and type, every channel of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SourceError, UsageError
from edgeseg.runtime.sources import open_source
from edgeseg.spec import InputSpec, InputType


def taken(channels: int, dtype: InputType = "uint16", order: str = "stored") -> InputSpec:
    return InputSpec(8, 8, channels=channels, dtype=dtype, channel_order=order)  # type: ignore[arg-type]


def numbers(channels: int, dtype: InputType = "uint16") -> np.ndarray:
    values = np.random.default_rng(channels).random((6, 7, channels)) * 250
    return values.astype(dtype)


def read(path: Path, spec: InputSpec) -> np.ndarray:
    with open_source(path, spec) as source:
        (frame,) = source
    return frame.image


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("kind", ["samples", "planes", "pages"])
def test_every_channel_of_a_tiff_is_read_however_it_lies(tmp_path: Path, channels: int, kind: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    image, path = numbers(channels), tmp_path / "a.tif"
    if kind == "pages" or channels == 1:
        with tifffile.TiffWriter(path) as file:
            for plane in np.moveaxis(image, -1, 0):
                file.write(plane, photometric="minisblack")
    elif kind == "planes":
        tifffile.imwrite(path, np.moveaxis(image, -1, 0), photometric="minisblack", planarconfig="separate")
    else:
        tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read(path, taken(channels)), image)


def test_each_page_of_as_many_samples_is_a_frame(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for seed in (1, 2):
            file.write(numbers(4) + np.uint16(seed), photometric="minisblack", planarconfig="contig")
    with open_source(tmp_path / "a.tif", taken(4)) as source:
        frames = list(source)
    assert [(frame.index, frame.page) for frame in frames] == [(0, 0), (1, 1)]
    np.testing.assert_array_equal(frames[1].image, numbers(4) + np.uint16(2))


def test_a_tiffs_colours_lie_as_frames_have_them_where_the_network_takes_colours(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    rgbd = numbers(4)
    tifffile.imwrite(tmp_path / "a.tif", rgbd, photometric="rgb", planarconfig="contig")
    np.testing.assert_array_equal(read(tmp_path / "a.tif", taken(4, order="bgr")), rgbd[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(read(tmp_path / "a.tif", taken(4)), rgbd)


def test_numpy_files_and_deep_png_are_read_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "2.npy", numbers(5))
    np.save(tmp_path / "10.npy", np.moveaxis(numbers(5), -1, 0))  # channels first
    np.save(tmp_path / "11.npy", numbers(5).astype(">u2"))
    with open_source(tmp_path, taken(5)) as source:
        frames = list(source)
    assert [frame.name for frame in frames] == ["2.npy", "10.npy", "11.npy"]
    for frame in frames:
        assert frame.image.dtype.isnative
        np.testing.assert_array_equal(frame.image, numbers(5))
    assert cv2.imwrite(str(tmp_path / "a.png"), numbers(1))
    np.testing.assert_array_equal(read(tmp_path / "a.png", taken(1)), numbers(1))


def test_numbers_of_64_bits_are_rounded_for_a_float_input_with_a_note(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", numbers(2).astype(np.float64))
    with open_source(tmp_path / "a.npy", taken(2, "float32")) as source:
        (frame,) = source
        assert source.notes == [f"float64 values in {tmp_path / 'a.npy'} are rounded to float32"]
    assert frame.image.dtype == np.float32


def test_what_is_no_such_array_is_refused_with_what_was_wanted(tmp_path: Path) -> None:
    def refused(array: object, message: str, spec: InputSpec) -> None:
        np.save(tmp_path / "a.npy", array, allow_pickle=True)  # type: ignore[arg-type]
        with pytest.raises(SourceError, match=message):
            read(tmp_path / "a.npy", spec)

    refused(numbers(4), r"must be \(H, W, 5\) uint16, got \(6, 7, 4\) uint16", taken(5))
    refused(numbers(5, "float32"), r"got \(6, 7, 5\) float32; .* its own units|own units", taken(5))
    refused(np.array([{}]), "cannot read", taken(5))  # an object, which would have to be unpickled
    refused(np.full((4, 4, 1), np.nan, np.float32), "no finite number", taken(1, "float32"))
    (tmp_path / "b.npy").write_bytes(b"")
    with pytest.raises(SourceError, match="cannot read"):
        read(tmp_path / "b.npy", taken(5))


def test_one_file_that_cannot_be_read_is_skipped(tmp_path: Path) -> None:
    np.save(tmp_path / "1.npy", numbers(2))
    (tmp_path / "2.npy").write_bytes(b"no array")
    with open_source(tmp_path, taken(2)) as source:
        assert [frame.name for frame in source] == ["1.npy"]
        assert "2.npy" in source.skipped[0]


@pytest.mark.parametrize("text", ["0", "rtsp://camera/1", "synthetic:64x48", "clip.mp4", "photo.jpg"])
def test_what_cameras_give_is_refused_for_other_networks(text: str) -> None:
    with pytest.raises(UsageError, match=r"takes 5 channels of uint16, which cameras, videos and photos"):
        open_source(text, taken(5))

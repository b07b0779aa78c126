from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgeseg.errors import SourceError
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.image_header import read_header
from edgeseg.runtime.sources.images import ImagesSource, natural_key


def read_image(path: Path) -> np.ndarray:
    (frame,) = ImagesSource.file(path)
    return frame.image


def _save(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def test_grey_alpha_and_16_bit_files_become_bgr8(tmp_path: Path) -> None:
    grey = _save(tmp_path / "grey.png", np.full((2, 3), 90, np.uint8))
    alpha = _save(tmp_path / "alpha.png", np.full((2, 3, 4), (10, 20, 30, 0), np.uint8))
    deep = _save(tmp_path / "deep.png", np.full((2, 3), 0xABCD, np.uint16))
    assert read_image(grey)[0, 0].tolist() == [90, 90, 90]
    assert read_image(alpha)[0, 0].tolist() == [10, 20, 30]
    assert read_image(deep)[0, 0].tolist() == [0xAB, 0xAB, 0xAB]
    assert {read_image(path).shape for path in (grey, alpha, deep)} == {(2, 3, 3)}


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    assert read_image(_save(tmp_path / "dot.png", np.zeros((1, 1, 3), np.uint8))).shape == (1, 1, 3)


def test_a_photo_taken_upright_is_turned_upright(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))[1].tobytes()
    # TIFF header, little-endian; one entry: orientation (0x0112), short, 1 value, 6 = turn clockwise
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path = tmp_path / "phone.jpg"
    path.write_bytes(data[:2] + segment + data[2:])
    assert read_image(path).shape == (16, 8, 3)


def _upright_corners(image: np.ndarray) -> list[int]:
    return [int(image[y, x].mean() > 127) for y, x in ((2, 2), (2, -3), (-3, 2), (-3, -3))]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["avif", "jpg", "png", "tif", "webp"])
def test_every_orientation_is_turned_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    picture = Image.fromarray(np.zeros((16, 24, 3), np.uint8))
    picture.paste((255, 255, 255), (0, 0, 12, 8))  # top left
    picture.paste((255, 255, 255), (12, 0, 24, 8))  # top right
    picture.paste((255, 255, 255), (0, 8, 12, 16))  # bottom left
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / f"p.{suffix}", exif=exif)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    found = read_image(tmp_path / f"p.{suffix}")
    assert found.shape == expected.shape
    assert _upright_corners(found) == _upright_corners(expected)


def _animation(path: Path, shades: tuple[int, ...] = (0, 100, 200)) -> Path:
    first, *others = (Image.fromarray(np.full((12, 16, 3), shade, np.uint8)) for shade in shades)
    durations = [100, 250, 400][: len(shades)]
    timed = {} if path.suffix == ".tif" else {"duration": durations}
    first.save(path, save_all=True, append_images=others, **timed)
    return path


@pytest.mark.parametrize("suffix", ["avif", "gif", "png", "tif", "webp"])
def test_every_picture_of_a_file_is_a_frame(tmp_path: Path, suffix: str) -> None:
    with open_source(_animation(tmp_path / f"p.{suffix}")) as source:
        assert source.frame_count in (3, None)
        frames = list(source)
    assert [frame.index for frame in frames] == [frame.page for frame in frames] == [0, 1, 2]
    assert [float(frame.image.mean()) for frame in frames] == pytest.approx([0, 100, 200], abs=4)
    assert {frame.name for frame in frames} == {f"p.{suffix}"}
    times = [None] * 3 if suffix == "tif" else [0.0, 0.1, 0.35]
    assert [frame.media_s for frame in frames] == times
    assert (source.skipped, source.notes) == ([], [])


def test_long_animations_are_decoded_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sources.image_file.CHUNK_PIXELS", 2 * 12 * 16)
    for shades in ((0, 100, 200), (0, 200)):
        for suffix in ("gif", "webp", "png", "avif"):
            frames = list(ImagesSource.file(_animation(tmp_path / f"p.{suffix}", shades)))
            assert [float(f.image.mean()) for f in frames] == pytest.approx(list(shades), abs=4)


def test_pages_of_a_folder_are_numbered_on(tmp_path: Path) -> None:
    _animation(tmp_path / "1.gif")
    (tmp_path / "2.png").touch()
    _animation(tmp_path / "3.tif")
    source = ImagesSource.folder(tmp_path)
    frames = list(source)
    assert [(f.name, f.index, f.page) for f in frames] == [
        *(("1.gif", i, i) for i in range(3)),
        *(("3.tif", 4 + i, i) for i in range(3)),
    ]
    assert {frame.media_s for frame in frames} == {None}  # the folder has no clock
    assert len(source.skipped) == 1


def test_a_damaged_page_is_passed_over_and_said(tmp_path: Path) -> None:
    path = _animation(tmp_path / "p.tif")
    data = bytearray(path.read_bytes())
    second = read_header(bytes(data)).offsets[1]
    data[second + 2 : second + 60] = bytes(58)
    path.write_bytes(data)
    source = ImagesSource.file(path)
    assert [frame.page for frame in source] in ([0], [0, 2])
    assert source.skipped


def test_previews_within_a_file_are_no_pages(tmp_path: Path) -> None:
    path = _animation(tmp_path / "p.tif")
    data = bytearray(path.read_bytes())
    last = read_header(bytes(data)).offsets[2]
    struct.pack_into("<HHII", data, last + 2, 254, 4, 1, 1)  # in place of the width, which comes first
    path.write_bytes(data)
    source = ImagesSource.file(path)
    assert [frame.page for frame in source] == [0, 1]
    assert source.notes == [f"1 reduced pictures in {path} are left out"]


@pytest.mark.parametrize(
    ("largest", "divisor"), [(255, 1), (900, 4), (4095, 16), (12_000, 64), (16_384, 256), (65_535, 256)]
)
def test_values_of_sensors_in_16_bits_are_not_black(tmp_path: Path, largest: int, divisor: int) -> None:
    path = _save(tmp_path / "p.png", np.array([[0, largest // 2, largest]], np.uint16))
    source = ImagesSource.file(path)
    (frame,) = source
    assert frame.image[0, :, 1].tolist() == [0, largest // 2 // divisor, largest // divisor]
    assert len(source.notes) == (divisor != 256)
    assert all(f"divided by {divisor} " in note for note in source.notes)


def test_one_divisor_holds_for_all_pictures_of_a_source(tmp_path: Path) -> None:
    for number, largest in enumerate((700, 3000, 90)):
        _save(tmp_path / f"{number}.png", np.full((2, 2), largest, np.uint16))
    source = ImagesSource.folder(tmp_path)
    assert [int(frame.image.max()) for frame in source] == [700 // 16, 3000 // 16, 90 // 16]
    assert len(source.notes) == 1


def test_a_file_that_says_its_range_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "p.pgm"
    path.write_bytes(b"P5\n# made by hand\n2 1\n4095\n" + struct.pack(">2H", 16, 800))
    assert read_image(path)[0, :, 0].tolist() == [1, 50]


def test_a_truncated_jpeg_is_damaged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    path = _save(tmp_path / "p.jpg", noise)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SourceError, match="it ends before its picture does"):
        read_image(path)


def test_a_folder_is_read_in_natural_order_with_names(tmp_path: Path) -> None:
    for name in ("f10.png", "f2.png", "F1.png", "notes.txt"):
        if name.endswith(".png"):
            _save(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
        else:
            (tmp_path / name).write_text("not an image")
    with open_source(tmp_path) as source:
        frames = list(source)
    assert [(frame.name, frame.index) for frame in frames] == [("F1.png", 0), ("f2.png", 1), ("f10.png", 2)]
    assert source.frame_count == 3
    assert source.skipped == []


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_in_names_sort_as_numbers(a: int, b: int) -> None:
    key_a, key_b = natural_key(Path(f"frame{a}.png")), natural_key(Path(f"frame{b}.png"))
    assert (key_a < key_b) == (a < b)


@given(st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1), max_size=8))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    sorted((Path(name) for name in names), key=natural_key)


def test_one_bad_file_does_not_lose_the_folder(tmp_path: Path) -> None:
    _save(tmp_path / "1.png", np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "2.png").touch()
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    _save(tmp_path / "4.png", np.zeros((2, 2, 3), np.uint8))
    source = open_source(tmp_path)
    assert [frame.name for frame in source] == ["1.png", "4.png"]
    assert [("empty" in line, "damaged" in line) for line in source.skipped] == [(True, False), (False, True)]


def test_a_folder_of_bad_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    (tmp_path / "2.png").touch()
    with pytest.raises(SourceError, match="none of the 2 images"):
        list(open_source(tmp_path))


def test_a_single_bad_file_is_an_error(tmp_path: Path) -> None:
    path = _save(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SourceError, match=r"cut\.png is damaged"):
        list(open_source(path))


def test_a_folder_without_images_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no image .*\.png"):
        open_source(tmp_path)


def test_float_images_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "depth.hdr"
    assert cv2.imwrite(str(path), np.ones((4, 4, 3), np.float32))
    with pytest.raises(SourceError, match="must be uint8 or uint16"):
        list(open_source(path))


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_one_channel_of_32_bits_is_called_what_it_is(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "depth.tiff"
    assert cv2.imwrite(str(path), np.ones((4, 4), kind))
    with pytest.raises(SourceError, match=r"holds 32-bit values, in one channel; scale them.*uint16"):
        list(open_source(path))

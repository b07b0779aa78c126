from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import SourceError
from edgeseg.runtime.sources import open_source
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

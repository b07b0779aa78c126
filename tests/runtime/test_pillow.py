"""Pillow gives the pictures that OpenCV gives, or leaves them to it."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.errors import MissingExtraError
from edgeseg.runtime.pillow import decode_picture, encode_picture
from edgeseg.scenes.scene import animate

Image = pytest.importorskip("PIL.Image", reason="Pillow, of the extra `images`")
TURNED, ORIENTATION = 6, 274  # by a quarter; the tag of EXIF


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return next(animate(3, (47, 61))).image


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".ppm"])
def test_pictures_are_opencvs(suffix: str, picture: NDArray[np.uint8]) -> None:
    _, data = cv2.imencode(suffix, picture)
    found = decode_picture(data.tobytes())
    np.testing.assert_array_equal(found, cv2.imdecode(data, cv2.IMREAD_COLOR))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_so_are_grey_and_indexed_ones_and_those_with_alpha(mode: str, picture: NDArray[np.uint8]) -> None:
    encoded = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
    if "A" in mode:
        image.putalpha(100)
    image.convert(mode).save(encoded, format="PNG")
    decoded = cv2.imdecode(np.frombuffer(encoded.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode_picture(encoded.getvalue()), decoded)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_turned_one_is_put_upright(form: str, picture: NDArray[np.uint8]) -> None:
    exif, encoded = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = TURNED
    Image.fromarray(picture).save(encoded, format=form, exif=exif)
    decoded = cv2.imdecode(np.frombuffer(encoded.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (61, 47, 3)
    np.testing.assert_array_equal(decode_picture(encoded.getvalue()), decoded)


def test_what_the_two_would_colour_otherwise_is_left_to_opencv(picture: NDArray[np.uint8]) -> None:
    encoded = io.BytesIO()
    Image.fromarray(picture).convert("CMYK").save(encoded, format="JPEG")
    with pytest.raises(MissingExtraError, match=r"edgeseg\[media\]"):
        decode_picture(encoded.getvalue())


def test_a_damaged_one_is_none(picture: NDArray[np.uint8]) -> None:
    _, data = cv2.imencode(".png", picture)
    assert decode_picture(data.tobytes()[:200]) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_maps_are_kept_whole(dtype: type[np.uint8 | np.uint16]) -> None:
    image = np.arange(12, dtype=dtype).reshape(3, 4) * np.iinfo(dtype).bits
    data = encode_picture(Path("labels.png"), image)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


def test_other_formats_are_left_to_opencv(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(MissingExtraError, match=r"edgeseg\[media\]"):
        encode_picture(Path("overlay.jpg"), picture)

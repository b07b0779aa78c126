"""Label maps of every kind become the same class ids."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.evaluation.label_map import LabelMaps, read_values
from edgeseg.label_sets import ALL

VOC = ALL["voc"].palette_rgb
IDS = np.array([[0, 1, 2, 20], [15, 15, 255, 0]], np.uint8)
SIZE = (2, 4)


def write(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def indexed_png(path: Path, ids: np.ndarray, palette_rgb: object, bits: int = 8) -> Path:
    """Write a PNG with a palette, by its specification; each row has the filter 0."""
    pixels = np.unpackbits(ids[..., None], axis=-1)[..., 8 - bits :].reshape(len(ids), -1)
    rows = np.packbits(pixels, axis=1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bits, 3, 0, 0, 0),
        b"PLTE": np.array(palette_rgb, np.uint8).tobytes(),
        b"tRNS": b"\0",
        b"IDAT": zlib.compress(body),
        b"IEND": b"",
    }
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in parts.items():
        data += struct.pack(">I", len(content)) + kind + content
        data += struct.pack(">I", zlib.crc32(kind + content))
    path.write_bytes(data)
    return path


def test_values_of_8_and_16_bits_are_class_ids(tmp_path: Path) -> None:
    maps = LabelMaps(21)
    assert (maps.read(write(tmp_path / "a.png", IDS), SIZE) == IDS).all()
    assert (maps.read(write(tmp_path / "b.png", IDS.astype(np.uint16)), SIZE) == IDS).all()
    assert (maps.read(write(tmp_path / "c.tif", IDS.astype(np.uint16)), SIZE) == IDS).all()
    grey = np.repeat(IDS[..., None], 3, axis=2)
    assert (maps.read(write(tmp_path / "d.png", grey), SIZE) == IDS).all(), "three equal channels are one"


def test_large_values_of_16_bits_are_seen_whole(tmp_path: Path) -> None:
    values = np.array([[0, 300, 65535, 7]], np.uint16)
    path = write(tmp_path / "a.png", values)
    assert LabelMaps(2, rules=("1-65535=1",)).read(path, (1, 4)).tolist() == [[0, 1, 1, 1]]
    with pytest.raises(UsageError, match="has the value 65535; the network has 2 classes"):
        LabelMaps(2).read(path, (1, 4))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_indices_of_a_palette_are_class_ids_whatever_its_colours(tmp_path: Path, bits: int) -> None:
    ids = (np.arange(12).reshape(3, 4) % (1 << bits)).astype(np.uint8)
    palette = np.random.default_rng(1).integers(0, 256, (1 << bits, 3))
    path = indexed_png(tmp_path / "a.png", ids, palette, bits)
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).ndim == 3, "OpenCV itself gives colours"
    assert (read_values(path) == ids).all()
    assert (LabelMaps(12).read(path, (3, 4)) == ids).all()


def test_colours_of_voc_are_its_classes_and_its_border_is_not_counted(tmp_path: Path) -> None:
    rgb = np.array([(224, 224, 192) if i == 255 else VOC[i] for i in IDS.ravel()], np.uint8)
    path = write(tmp_path / "a.png", rgb.reshape(2, 4, 3)[..., ::-1])
    assert (LabelMaps(21, palette_rgb=VOC).read(path, SIZE) == IDS).all()
    with pytest.raises(UsageError, match=r"is a picture in colour; say whose colours.*--palette"):
        LabelMaps(21).read(path, SIZE)


def test_grey_colours_of_a_palette_are_colours(tmp_path: Path) -> None:
    """The sky of CamVid is grey: a map of sky alone has three equal channels, and not the value 128."""
    path = write(tmp_path / "a.png", np.full((2, 4, 3), 128, np.uint8))
    assert (LabelMaps(11, palette_rgb=ALL["camvid"].palette_rgb).read(path, SIZE) == 0).all()


def test_a_black_that_is_no_class_is_not_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.zeros((2, 4, 3), np.uint8))
    assert (LabelMaps(19, palette_rgb=ALL["cityscapes"].palette_rgb).read(path, SIZE) == 255).all()
    assert (LabelMaps(21, palette_rgb=VOC).read(path, SIZE) == 0).all(), "VOC's background"


def test_colours_of_no_class_or_of_two_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.full((2, 4, 3), (3, 2, 1), np.uint8))
    with pytest.raises(UsageError, match="has #010203, the colour of no class"):
        LabelMaps(21, palette_rgb=VOC).read(path, SIZE)
    with pytest.raises(UsageError, match="has #010203, the colour of two classes"):
        LabelMaps(2, palette_rgb=((1, 2, 3), (1, 2, 3))).read(path, SIZE)


def test_masks_of_0_and_255_are_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.array([[0, 255, 255, 0]] * 2, np.uint8))
    with pytest.raises(UsageError, match="if 255 is the foreground, say --map-label 255=1"):
        LabelMaps(2).read(path, SIZE)
    assert LabelMaps(2, rules=("255=1",)).read(path, SIZE).max() == 1
    assert LabelMaps(2, rules=("255=ignore",)).read(path, SIZE).max() == 255
    assert LabelMaps(3).read(path, SIZE).max() == 255, "of more classes it is the usual border"


def test_what_is_no_map_of_the_image_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", IDS)
    with pytest.raises(UsageError, match=r"a\.png is 2x4; a label map has the size of its image, 4x4"):
        LabelMaps(21).read(path, (4, 4))
    with pytest.raises(UsageError, match=r"has the value 20; the network has 20 classes, 255 is not counted"):
        LabelMaps(20).read(path, SIZE)
    with pytest.raises(UsageError, match=r"has the value 255; .*all are counted"):
        LabelMaps(21, ignore=None).read(path, SIZE)
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"b\.png cannot be read as an image"):
        LabelMaps(21).read(tmp_path / "b.png", SIZE)
    write(tmp_path / "c.tif", IDS.astype(np.float32))
    with pytest.raises(UsageError, match=r"c\.tif"):
        LabelMaps(21).read(tmp_path / "c.tif", SIZE)

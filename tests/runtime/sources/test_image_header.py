"""Declared sizes are read from every format's header, and refused before anything is allocated."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeseg.errors import SourceError
from edgeseg.runtime.sources.image_header import read_header
from edgeseg.runtime.sources.images import ImagesSource

NETPBM = ["pgm", "ppm", "pbm", "pam", "pfm"]
SUFFIXES = ["bmp", "png", "jpg", "jp2", "webp", "tif", "gif", "avif", "ras", "hdr", *NETPBM]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_size_that_the_header_tells_is_the_pictures(suffix: str) -> None:
    kind = np.float32 if suffix in ("hdr", "pfm") else np.uint8
    shape = (37, 53) if suffix in ("pgm", "pbm") else (37, 53, 3)
    header = read_header(cv2.imencode(f".{suffix}", np.ones(shape, kind))[1].tobytes())
    assert header is not None
    assert (header.width, header.height, header.pages) == (53, 37, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_headers_are_refused_or_read_never_an_error_of_another_kind(suffix: str) -> None:
    kind = np.float32 if suffix in ("hdr", "pfm") else np.uint8
    shape = (37, 53) if suffix in ("pgm", "pbm") else (37, 53, 3)
    data = cv2.imencode(f".{suffix}", np.ones(shape, kind))[1].tobytes()
    noise = np.random.default_rng(0)
    for length in range(0, min(len(data), 400), 3):
        read_header(data[:length])
    for _ in range(300):
        changed = bytearray(data)
        for at in noise.integers(0, min(len(data), 400), 3):
            changed[at] = noise.integers(0, 256)
        read_header(bytes(changed))


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    "data",
    [
        _png(32_000, 32_000),
        b"P6\n32000 32000\n255\n" + bytes(100),
        b"BM" + bytes(12) + struct.pack("<Iii", 40, 32_000, -32_000) + bytes(100),
        b"GIF89a" + struct.pack("<HHBBB", 32_000, 32_000, 0, 0, 0) + bytes(20),
        b"II*\0"
        + struct.pack("<IH", 8, 2)
        + struct.pack("<HHII", 256, 4, 1, 32_000)
        + struct.pack("<HHII", 257, 4, 1, 32_000)
        + bytes(20),
    ],
)
def test_a_picture_beyond_the_limit_is_refused_from_its_header(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(data)
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(SourceError, match=r"32000x32000 takes 1024 million pixels.*--limit pixels=977M"):
        list(ImagesSource.file(path))


def test_the_limit_is_raised_for_what_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.png"
    cv2.imwrite(str(path), np.zeros((40, 50, 3), np.uint8))
    monkeypatch.setenv("EDGESEG_LIMITS", "pixels=1999")
    with pytest.raises(SourceError, match="50x40"):
        list(ImagesSource.file(path))
    monkeypatch.setenv("EDGESEG_LIMITS", "pixels=2000")
    assert len(list(ImagesSource.file(path))) == 1


@pytest.mark.parametrize("at", [b"IDAT", b"acTL"])
def test_a_chunk_that_declares_more_than_there_is_is_not_believed(tmp_path: Path, at: bytes) -> None:
    shades = [Image.fromarray(np.full((12, 16, 3), shade, np.uint8)) for shade in (0, 100)]
    path = tmp_path / "p.png"
    shades[0].save(path, save_all=True, append_images=shades[1:] if at == b"acTL" else [])
    data = bytearray(path.read_bytes())
    last = data.rfind(b"fdAT") if at == b"acTL" else data.find(b"IDAT")
    struct.pack_into(">I", data, last - 4, 0xFF000000)
    path.write_bytes(data)
    source = ImagesSource.file(path)
    if at == b"IDAT":
        with pytest.raises(SourceError, match="it ends before its picture does"):
            list(source)
        return
    assert [frame.page for frame in source] == [0]  # what comes before it is there
    assert source.bad_frames == 1
    assert source.skipped


@pytest.mark.parametrize("offset", [2**63, 2**64 - 1])
def test_an_offset_that_is_no_index_is_damage(offset: int) -> None:
    assert read_header(struct.pack("<2sHHHQ", b"II", 43, 8, 0, offset) + bytes(64)) is None

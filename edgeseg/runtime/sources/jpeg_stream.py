"""Tell a stream of JPEGs from one JPEG by the first bytes of a file."""

from __future__ import annotations

import struct
from pathlib import Path

SUFFIXES = frozenset((".mjpeg", ".mjpg"))
BEGIN, END, FILL = b"\xff\xd8\xff", b"\xff\xd9", b"\0\r\n \xff"
HEAD_BYTES = 1 << 25  # in which the first picture ends, or the file counts as one
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU-T T.81, table B.1
SCAN = 0xDA
# A file that says so has a second view, a gain map or a depth map behind its picture.
COMPANIONS = (
    b"MPF\0",
    b"http://ns.google.com/photos/1.0/container/",
    b"hdrgm:",
    b"urn:iso:std:iso:ts:21496:",
)


def is_jpeg_stream(path: Path) -> bool:
    """Tell whether a JPEG is followed by another one of the same size, which nothing in the first announces.

    Thumbnails stand within a picture. A file with the suffix of such streams is one if it begins with a JPEG.
    """
    try:
        with path.open("rb") as file:
            begins = file.read(len(BEGIN)) == BEGIN
            if not begins or path.suffix.lower() in SUFFIXES:
                return begins
            file.seek(0)
            data = file.read(HEAD_BYTES)
    except OSError:
        return False  # reading says what is wrong
    first = _frame(data, 0)
    if first is None or any(mark in data[: first[1]] for mark in COMPANIONS):
        return False
    size, scan = first
    end = data.find(END, scan)
    if end < 0:
        return False
    begin = data.find(BEGIN, end)
    if begin < 0 or data[end + len(END) : begin].strip(FILL):
        return False
    second = _frame(data, begin)
    return second is not None and second[0] == size


def _frame(data: bytes, begin: int) -> tuple[tuple[int, int], int] | None:
    """Give height and width of the JPEG that begins there, and where its first scan begins."""
    at, size = begin + 2, None
    while at + 4 <= len(data) and data[at] == BEGIN[0]:
        marker, length = struct.unpack_from(">BH", data, at + 1)
        if marker in FRAME_HEADERS and at + 9 <= len(data):
            size = struct.unpack_from(">HH", data, at + 5)
        at += 2 + length
        if marker == SCAN:
            return None if size is None else (size, at)
    return None

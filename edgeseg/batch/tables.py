"""Read the tables of MP4 and QuickTime files (ISO/IEC 14496-12) that FFmpeg does not hand on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MOST_BOXES = 64  # of a file: where there are more, it is written in fragments, and has no table
MEDIA, MOVIE, FRAGMENT = b"mdat", b"moov", b"moof"
SHORT_BOX, LONG_BOX = 8, 16  # bytes of their heads
MOST_TABLES = 1 << 28  # bytes of a movie box
TRACK_PATH = (b"mdia", b"minf", b"stbl", b"ctts")
TABLE_HEAD = 8  # version, flags, count
Box = tuple[bytes, int, int]  # kind, begin and end, with its head


def outer_boxes(source: BinaryIO) -> list[Box]:
    """Give the outermost boxes, none where there are too many. Raises ValueError where they are no boxes."""
    size = source.seek(0, 2)
    boxes = list(islice(_outer(source, size), MOST_BOXES + 1))
    return boxes if len(boxes) <= MOST_BOXES else []


def composition_offsets(source: BinaryIO, track: int, samples: int) -> NDArray[np.int64] | None:
    """Read how much later than decoded each sample of a track is shown, but for what is common to all.

    Args:
        track: its number in the file.
        samples: how many it has.

    Returns:
        (samples,) ticks of the track; None where it has fragments, or no table that fits.

    Raises:
        ValueError, struct.error: where the boxes are damaged.
    """
    boxes = outer_boxes(source)
    movies = [box for box in boxes if box[0] == MOVIE]
    if len(movies) != 1 or any(kind == FRAGMENT for kind, _, _ in boxes):
        return None
    ((_, begin, end),) = movies
    if end - begin > MOST_TABLES:
        return None
    source.seek(begin)
    data = source.read(end - begin)
    for _, first, last in _inner(data, b"trak", *_content(data, 0)):
        heads = list(_inner(data, b"tkhd", first, last))
        if heads and _track_number(data, heads[0][1]) == track:
            return _offsets(data, first, last, samples)
    return None


def _offsets(data: bytes, begin: int, end: int, samples: int) -> NDArray[np.int64] | None:
    """Read the table of a track; where there is none, nothing is shown later."""
    for kind in TRACK_PATH:
        found = list(_inner(data, kind, begin, end))
        if len(found) != 1:
            return np.zeros(samples, np.int64) if kind == TRACK_PATH[-1] and not found else None
        ((_, begin, end),) = found
    (count,) = struct.unpack_from(">I", data, begin + 4)
    table = np.frombuffer(data, ">i4", 2 * count, begin + TABLE_HEAD).reshape(count, 2).astype(np.int64)
    runs = table[:, 0]
    if begin + TABLE_HEAD + 8 * count > end or (runs < 0).any() or runs.sum() != samples:
        return None
    return np.repeat(table[:, 1], runs)


def _track_number(data: bytes, begin: int) -> int:
    wide = data[begin] == 1  # times of 64 bits
    (number,) = struct.unpack_from(">I", data, begin + (20 if wide else 12))
    return int(number)


def _inner(data: bytes, wanted: bytes, at: int, end: int) -> Iterator[Box]:
    """Give the boxes of a kind: each with begin and end of its content."""
    while at + SHORT_BOX <= end:
        _, kind = struct.unpack_from(">I4s", data, at)
        begin, stop = _content(data, at, end)
        if stop < begin:
            raise ValueError("a box ends before it begins")
        if kind == wanted:
            yield kind, begin, stop
        at = stop


def _content(data: bytes, at: int, end: int | None = None) -> tuple[int, int]:
    end = len(data) if end is None else end
    (length,) = struct.unpack_from(">I", data, at)
    if length == 1:
        (length,) = struct.unpack_from(">Q", data, at + SHORT_BOX)
        return at + LONG_BOX, min(end, at + length)
    return at + SHORT_BOX, min(end, at + length) if length else end


def _outer(source: BinaryIO, size: int) -> Iterator[Box]:
    at = 0
    while at + SHORT_BOX <= size:
        source.seek(at)
        head = source.read(LONG_BOX)
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, SHORT_BOX)
        end = min(size, at + length) if length else size
        if end < at + SHORT_BOX:
            raise ValueError("a box ends before it begins")
        yield kind, at, end
        at = end

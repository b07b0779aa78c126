"""Read the tables of MP4 and QuickTime files (ISO/IEC 14496-12) that FFmpeg does not hand on."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_BOXES = 64  # of a file: where there are more, it is written in fragments, and has no table
MEDIA, MOVIE, FRAGMENT = b"mdat", b"moov", b"moof"
SHORT_BOX, LONG_BOX = 8, 16  # bytes of their heads
MOST_TABLES = 1 << 28  # bytes of a movie box
TRACK_PATH = (b"mdia", b"minf", b"stbl", b"ctts")
TABLE_HEAD = 8  # version, flags, count


class Box(NamedTuple):
    """A part of a file: its kind, where its head and its content begin, and where it ends."""

    kind: bytes
    begin: int
    content: int
    end: int


def outer_boxes(source: BinaryIO) -> list[Box]:
    """Give the outermost boxes, none where there are too many.

    Raises:
        ValueError, struct.error: where they are no boxes.
    """
    boxes = list(islice(_boxes(source, 0, source.seek(0, 2)), MOST_BOXES + 1))
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
    movies = [box for box in boxes if box.kind == MOVIE]
    if len(movies) != 1 or any(box.kind == FRAGMENT for box in boxes):
        return None
    size = movies[0].end - movies[0].content
    if size > MOST_TABLES:
        return None
    source.seek(movies[0].content)
    movie = source.read(size)
    for found in _inner(movie, b"trak", 0, size):
        heads = _inner(movie, b"tkhd", found.content, found.end)
        if heads and _track_number(movie, heads[0].content) == track:
            return _offsets(movie, found, samples)
    return None


def _offsets(movie: bytes, track: Box, samples: int) -> NDArray[np.int64] | None:
    """Read the table of a track; where there is none, nothing is shown later."""
    box = track
    for kind in TRACK_PATH:
        found = _inner(movie, kind, box.content, box.end)
        if len(found) != 1:
            return np.zeros(samples, np.int64) if kind == TRACK_PATH[-1] and not found else None
        (box,) = found
    (count,) = struct.unpack_from(">I", movie, box.content + 4)
    begin = box.content + TABLE_HEAD
    table = np.frombuffer(movie, ">i4", 2 * count, begin).reshape(count, 2).astype(np.int64)
    runs = table[:, 0]
    if begin + 8 * count > box.end or (runs < 0).any() or runs.sum() != samples:
        return None
    return np.repeat(table[:, 1], runs)


def _track_number(movie: bytes, head: int) -> int:
    (version,) = struct.unpack_from("B", movie, head)
    (number,) = struct.unpack_from(">I", movie, head + (20 if version == 1 else 12))  # behind two times
    return int(number)


def _inner(movie: bytes, kind: bytes, begin: int, end: int) -> list[Box]:
    return [box for box in _boxes(io.BytesIO(movie), begin, end) if box.kind == kind]


def _boxes(source: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """Give the boxes between two places, one behind the other."""
    while begin + SHORT_BOX <= end:
        source.seek(begin)
        head = source.read(LONG_BOX)
        length, kind = struct.unpack_from(">I4s", head)
        content = begin + SHORT_BOX
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, SHORT_BOX)
            content = begin + LONG_BOX
        stop = min(end, begin + length) if length else end
        if stop < content:
            raise ValueError("a box ends before it begins")
        yield Box(kind, begin, content, stop)
        begin = stop

"""Copy of a video in a store only what a part of it takes: the tables of its frames, and these frames.

A copy is as long as the video, and has holes where nothing was copied. Only MP4 and QuickTime say where their
frames lie without being read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from edgeseg.batch.piece import Span
from edgeseg.batch.places import COPIED_BYTES, Stored, opened
from edgeseg.errors import SourceError, one_line
from edgeseg.runtime.sources.container import open_container

MOST_BOXES = 64  # of a file: where there are more, it is written in fragments, and has no table
MEDIA, FIRST = b"mdat", b"ftyp"
BEGUN_BYTES = 4 << 20  # of the media, at which FFmpeg looks when it opens a video
BEHIND = 64  # packets behind a part, which decoders take before they give its last frame
SHORT_BOX, LONG_BOX = 8, 16  # bytes of their heads


def copy_tables(place: Stored, target: Path) -> bool:
    """Copy all of a video but its frames, which become holes.

    Returns:
        Whether it is an MP4 or QuickTime file with one table of its frames; else nothing is copied.

    Raises:
        SourceError: if it cannot be read.
    """
    try:
        with opened(place) as source:
            size = source.seek(0, 2)
            boxes = list(islice(_boxes(source, size), MOST_BOXES + 1))
            kinds = [kind for kind, _, _ in boxes]
            if not boxes or kinds[0] != FIRST or MEDIA not in kinds or len(boxes) > MOST_BOXES:
                return False
            with target.open("wb") as copy:
                copy.truncate(size)
                for kind, begin, end in boxes:
                    _copy(source, copy, begin, min(end, begin + BEGUN_BYTES) if kind == MEDIA else end)
    except (OSError, ValueError, struct.error) as error:
        raise SourceError(f"cannot read {place}: {one_line(str(error))}") from error
    return True


def copy_part(place: Stored, target: Path, span: Span) -> None:
    """Copy what a span of a video takes. Raises SourceError."""
    failure = SourceError(f"{place} is damaged or not a video that FFmpeg can read")
    if not copy_tables(place, target):  # it has changed since it was split
        raise failure
    try:
        begin, end = _bytes_of(target, span, failure)
        with opened(place) as source, target.open("r+b") as copy:
            _copy(source, copy, begin, end)
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {place}: {one_line(str(error))}") from error


def _bytes_of(copy: Path, span: Span, failure: SourceError) -> tuple[int, int]:
    """Find where the frames of a span lie, by the table."""
    container, stream, _ = open_container(f"file:{copy}", str(copy), failure)
    with container:
        entries = list(stream.index_entries)
        keys = [place for place, entry in enumerate(entries) if entry.is_keyframe]
        tick = stream.time_base
        if tick is None or not keys:
            raise failure

        def key_before(stamp: float) -> int:
            return max((key for key in keys if entries[key].timestamp <= stamp), default=keys[0])

        first = key_before(span.stamp)
        last = len(entries)
        if span.end_s is not None:
            last = min(last, key_before(round(span.end_s / tick)) + BEHIND)
        taken = entries[first:last]
        return min(entry.pos for entry in taken), max(entry.pos + entry.size for entry in taken)


def _boxes(source: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Give kind, begin and end of the outermost boxes; see ISO/IEC 14496-12."""
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


def _copy(source: BinaryIO, copy: BinaryIO, begin: int, end: int) -> None:
    source.seek(begin)
    copy.seek(begin)
    while begin < end and (data := source.read(min(COPIED_BYTES, end - begin))):
        copy.write(data)
        begin += len(data)

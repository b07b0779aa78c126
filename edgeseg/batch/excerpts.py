"""Copy of a video in a store only what a part of it takes: the tables of its frames, and these frames.

A copy is as long as the video, and has holes where nothing was copied. Only MP4 and QuickTime say where their
frames lie without being read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from edgeseg.batch.piece import Span
from edgeseg.batch.places import COPIED_BYTES, Stored, opened
from edgeseg.batch.tables import MEDIA, outer_boxes
from edgeseg.errors import SourceError, one_line
from edgeseg.runtime.sources.container import open_container

FIRST = b"ftyp"
BEGUN_BYTES = 4 << 20  # of the media, at which FFmpeg looks when it opens a video
BEHIND = 64  # packets behind a part, which decoders take before they give its last frame


def copy_tables(place: Stored, target: Path) -> bool:
    """Copy all of a video but its frames, which become holes.

    Returns:
        Whether it is an MP4 or QuickTime file with one table of its frames; else nothing is copied.

    Raises:
        SourceError: if it cannot be read.
    """
    try:
        with opened(place) as source:
            boxes = outer_boxes(source)
            kinds = [box.kind for box in boxes]
            if not boxes or kinds[0] != FIRST or MEDIA not in kinds:
                return False
            with target.open("wb") as copy:
                copy.truncate(source.seek(0, 2))
                for kind, begin, _, end in boxes:
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


def _copy(source: BinaryIO, copy: BinaryIO, begin: int, end: int) -> None:
    source.seek(begin)
    copy.seek(begin)
    while begin < end and (data := source.read(min(COPIED_BYTES, end - begin))):
        copy.write(data)
        begin += len(data)

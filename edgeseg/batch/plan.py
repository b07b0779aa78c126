"""Split an archive into pieces, and find which of them have results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeseg.batch.found import VIDEO_SUFFIXES, Archive
from edgeseg.batch.parts import Parts
from edgeseg.batch.piece import File, Piece
from edgeseg.batch.spans import split
from edgeseg.errors import SourceError

MOST_PICTURES = 64  # of a piece
ONE_IN = 16  # pictures ends a piece, by its name alone


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        archive: all files.
        pieces: all of them.
        missing: those without results.
    """

    archive: Archive
    pieces: Sequence[Piece]
    missing: Sequence[Piece]

    @property
    def frames(self) -> int:
        """Frames of the pieces without results, as far as files say."""
        return sum(piece.frames for piece in self.missing)


def plan(archive: Archive, parts: Parts) -> Plan:
    """Split an archive; a video that cannot be read is a piece, too, whose row says why."""
    pieces = list(pieces_of(archive.files))
    there = parts.there()
    return Plan(archive, pieces, [piece for piece in pieces if parts.path(piece).name not in there])


def pieces_of(files: Sequence[File]) -> Iterator[Piece]:
    """Give pictures some at a time, and videos a span at a time.

    Which pictures go together depends on their own names alone: one that is added, or goes, changes the piece
    that it is in, and no other.
    """
    held: list[File] = []
    for file in files:
        if file.path.suffix.lower() in VIDEO_SUFFIXES:
            yield from _spans(file)
            continue
        held.append(file)
        if len(held) == MOST_PICTURES or _ends(file):
            yield Piece(tuple(held), frames=len(held))
            held = []
    if held:
        yield Piece(tuple(held), frames=len(held))


def _spans(file: File) -> Iterator[Piece]:
    try:
        spans, frames = split(file.path)
    except SourceError:
        spans, frames = [None], [1]
    for span, count in zip(spans, frames, strict=True):
        yield Piece((file,), span, count)


def _ends(file: File) -> bool:
    name = hashlib.sha256(file.name.encode(errors="surrogateescape")).digest()
    return name[0] % ONE_IN == 0

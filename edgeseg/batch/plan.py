"""Split an archive into pieces, and find which of them have results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeseg.batch import shards, spans
from edgeseg.batch.at_once import at_once
from edgeseg.batch.found import VIDEO_SUFFIXES, Archive
from edgeseg.batch.parts import Parts
from edgeseg.batch.piece import File, Piece, Samples, Span
from edgeseg.batch.places import Stored
from edgeseg.batch.shards import SHARD_SUFFIXES
from edgeseg.batch.stale import Stale, find_stale

MOST_PICTURES = 64  # of a piece
ONE_IN = 16  # pictures ends a piece, by its name alone


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        archive: all files.
        pieces: all of them.
        missing: those without results, and those that are to be done again.
        outdated: what of the results a run takes out.
    """

    archive: Archive
    pieces: Sequence[Piece]
    missing: Sequence[Piece]
    outdated: Stale

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many files there are of each kind: pictures, videos, shards."""
        suffixes = [file.path.suffix.lower() for file in self.archive.files]
        videos = sum(suffix in VIDEO_SUFFIXES for suffix in suffixes)
        in_shards = sum(suffix in SHARD_SUFFIXES for suffix in suffixes)
        return {"pictures": len(suffixes) - videos - in_shards, "videos": videos, "shards": in_shards}

    @property
    def stale(self) -> int:
        """How many parts hold earlier results of these files, of changed ones or of another engine."""
        return len(self.outdated)

    @property
    def kept(self) -> int:
        """How many files, not of this archive, have results, which stay."""
        return len(self.outdated.kept)

    @property
    def has_results(self) -> bool:
        """Whether there are results, of any files or any engine."""
        return bool(self.stale or self.kept or len(self.missing) < len(self.pieces))

    @property
    def undated(self) -> int:
        """How many files are of stores that tell neither times nor checksums.

        A change of one that keeps its size is not seen.
        """
        return sum(isinstance(file.path, Stored) and not file.modified_ns for file in self.archive.files)

    @property
    def frames(self) -> int:
        """Frames of the pieces without results, as far as files say."""
        return sum(piece.frames for piece in self.missing)


def plan(archive: Archive, parts: Parts, field: str | None = None) -> Plan:
    """Split an archive; a video or a shard that cannot be read is a piece, too, whose row says why.

    Args:
        field: of samples of shards; see `shards.split`.
    """
    pieces = list(pieces_of(archive.files, field))
    there = parts.there()
    done = parts.done(there)
    missing = [piece for piece in pieces if parts.path(piece).name not in done]
    return Plan(archive, pieces, missing, find_stale(parts, pieces, there))


def pieces_of(files: Sequence[File], field: str | None = None) -> Iterator[Piece]:
    """Give pictures some at a time, and videos and shards a part at a time.

    Which pictures go together depends on their own names alone: one that is added, or goes, changes the piece
    that it is in, and no other.
    """
    held: list[File] = []
    stored = [file for file in files if isinstance(file.path, Stored) and _is_split(file)]
    ahead = dict(zip(stored, at_once(lambda file: _parts(file, field), stored), strict=True))
    for file in files:
        if _is_split(file):
            yield from ahead[file] if file in ahead else _parts(file, field)
            continue
        held.append(file)
        if len(held) == MOST_PICTURES or _ends(file):
            yield Piece(tuple(held), frames=len(held))
            held = []
    if held:
        yield Piece(tuple(held), frames=len(held))


def _is_split(file: File) -> bool:
    return file.path.suffix.lower() in VIDEO_SUFFIXES | SHARD_SUFFIXES


def _parts(file: File, field: str | None) -> list[Piece]:
    """Split a video or a shard; one that cannot be read is one piece."""
    is_shard = file.path.suffix.lower() in SHARD_SUFFIXES
    found: Sequence[Span | Samples | None]
    try:
        found, frames = shards.split(file.path, field) if is_shard else spans.split(file.path)
    except Exception:  # of whatever library; the worker that reads it says why
        found, frames = [Samples(field=field) if is_shard else None], [1]
    return [Piece((file,), part, count) for part, count in zip(found, frames, strict=True)]


def _ends(file: File) -> bool:
    name = hashlib.sha256(file.name.encode(errors="surrogateescape")).digest()
    return name[0] % ONE_IN == 0

"""A piece of an archive: some pictures, a part of a video or of a shard; what is segmented at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeseg.batch.places import Place

KEY_DIGITS = 32  # hexadecimal, of 64: no two of 2^64 pieces are likely to share a name
LEAST, MOST = 64, 512  # samples of a shard that one process does at a time
SHARES = 16  # of a shard, as long as these have so many


@dataclass(frozen=True)
class File:
    """A file of the archive.

    Attributes:
        path: where it is.
        name: what it is called in results: its path below the folder that was given, with `/`.
        size_bytes, modified_ns: by which it is told from what was there before; where a store has no times, a
            number made of what tells contents apart, or 0.
    """

    path: Place
    name: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Span:
    """A part of a video, from one key frame to another.

    Attributes:
        stamp: of the key frame that it begins with, in ticks of the stream.
        begin_s, end_s: media times of its first frame, and of the first behind it; None: up to the end.
        index: of its first frame in the video.
    """

    stamp: int
    begin_s: float
    end_s: float | None
    index: int


@dataclass(frozen=True)
class Samples:
    """Some of the samples of a shard: an archive of pictures in one file.

    Attributes:
        begin, end: numbers of the first and of the one behind the last; None: up to the end.
        place: where reading begins: a byte of a tar file, a row group of a Parquet file.
        first: the number of the sample there.
        field: the extension, or the column, that holds the pictures; None where the file itself tells.
    """

    begin: int = 0
    end: int | None = None
    place: int = 0
    first: int = 0
    field: str | None = None


@dataclass(frozen=True)
class Sample:
    """One picture of a shard.

    Attributes:
        index: the place of its sample among the shard's samples that have a picture.
        name: what the shard calls it; None where it has no name.
        data: the picture's file; None where it has none.
        error: why, in that case.
        page: its number in a sample that is a list of pictures; else None.
    """

    index: int
    name: str | None
    data: bytes | None
    error: str | None = None
    page: int | None = None


def together(samples: int) -> int:
    """Say how many samples of a shard are done at a time: few enough that several processes share it."""
    return min(MOST, max(LEAST, samples // SHARES))


@dataclass(frozen=True)
class Piece:
    """What one process segments at a time, and writes one part of the results of.

    Attributes:
        files: pictures, or one video, or one shard.
        span: of the video, None for all of it; or the shard's samples.
        frames: how many are expected.
    """

    files: Sequence[File]
    span: Span | Samples | None = None
    frames: int = field(default=1, compare=False)

    @property
    def units(self) -> range | None:
        """What of it can be done alone, see `Task`; None where only the shard itself tells."""
        if not isinstance(self.span, Samples):
            return range(len(self.files))
        return None if self.span.end is None else range(self.span.begin, self.span.end)

    def key(self, digest: str) -> str:
        """Name its part by all that its results depend on.

        Args:
            digest: of the engine and how it is used; see `BatchSettings.digest`.
        """
        span: Any = self.span
        if isinstance(span, Span):
            span = [span.stamp, span.end_s, span.index]
        elif isinstance(span, Samples):
            span = ["samples", span.begin, span.end, span.field]
        content = {
            "how": digest,
            "files": [[one.name, one.size_bytes, one.modified_ns] for one in self.files],
            "span": span,
        }
        return hashlib.sha256(json.dumps(content).encode(errors="surrogateescape")).hexdigest()[:KEY_DIGITS]

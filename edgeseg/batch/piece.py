"""A piece of an archive: some pictures, or a part of a video; what one process segments at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY_DIGITS = 32  # hexadecimal, of 64: no two of 2^64 pieces are likely to share a name


@dataclass(frozen=True)
class File:
    """A file of the archive.

    Attributes:
        path: where it is.
        name: what it is called in results: its path below the folder that was given, with `/`.
        size_bytes, modified_ns: by which it is told from what was there before.
    """

    path: Path
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
class Piece:
    """What one process segments at a time, and writes one part of the results of.

    Attributes:
        files: pictures, or one video.
        span: of the video, None for all of it.
        frames: how many are expected.
    """

    files: Sequence[File]
    span: Span | None = None
    frames: int = field(default=1, compare=False)

    def key(self, digest: str) -> str:
        """Name its part by all that its results depend on.

        Args:
            digest: of the engine and how it is used; see `BatchSettings.digest`.
        """
        span: Any = None if self.span is None else [self.span.stamp, self.span.end_s, self.span.index]
        content = {
            "how": digest,
            "files": [[one.name, one.size_bytes, one.modified_ns] for one in self.files],
            "span": span,
        }
        return hashlib.sha256(json.dumps(content).encode(errors="surrogateescape")).hexdigest()[:KEY_DIGITS]

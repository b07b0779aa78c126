"""Read the images that engines are tuned on: to measure ranges on, to time, and to know them again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.evaluation.labelled_images import source_of, spread, suffixes_of
from edgeseg.frames.preprocess import Preprocessor
from edgeseg.manifest import sha256_of
from edgeseg.runtime.sources.images import natural_key
from edgeseg.runtime.streams.losses import no_frames
from edgeseg.spec import ModelSpec

MOST_IMAGES = 64  # beyond some dozens, int8 ranges hardly move
DISTINCT_FRAMES = 8  # timed in turn: the time of detectors depends on what is seen
DISTINCT_BYTES = 64 << 20  # of them


@dataclass(frozen=True)
class TuningImages:
    """Image files of a folder.

    Attributes:
        paths: spread evenly over the folder and its subfolders.
        found: how many there are.
    """

    folder: Path
    paths: Sequence[Path]
    found: int

    @classmethod
    def of(cls, folder: Path, spec: ModelSpec, *, most: int = MOST_IMAGES) -> TuningImages:
        """Choose from a folder what a network takes.

        Raises:
            UsageError: if it is no folder, or holds no such files.
        """
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder; give --images, a folder of typical images")
        suffixes = suffixes_of(spec)
        files = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
        found = sorted(files, key=natural_key)
        if not found:
            raise UsageError(f"{folder} holds no images ({', '.join(sorted(suffixes))})")
        return cls(folder, spread(found, most), len(found))

    @property
    def notes(self) -> list[str]:
        """What is left out."""
        if len(self.paths) == self.found:
            return []
        return [f"{len(self.paths)} of {self.found} images are taken, spread evenly (--most-images)"]

    def frames(self, spec: ModelSpec) -> list[NDArray[Any]]:
        """Read the first few, (H, W, C) each, as a camera would give them. Raises SourceError."""
        kept: list[NDArray[Any]] = []
        with source_of(self.paths, self.folder, spec) as source:
            for frame in islice(source, DISTINCT_FRAMES):
                if kept and sum(image.nbytes for image in kept) + frame.image.nbytes > DISTINCT_BYTES:
                    break
                kept.append(frame.image)
            if not kept:
                raise no_frames(source)
        return kept

    def prepared(self, spec: ModelSpec) -> NDArray[Any]:
        """Read all, (M, H, W, C) of a network's size, as the runtime prepares frames. Raises SourceError."""
        prepare = Preprocessor(spec.input)
        with source_of(self.paths, self.folder, spec) as source:
            images = [prepare(frame.image).image.copy() for frame in source]
            if not images:
                raise no_frames(source)
        return np.concatenate(images)


def content_of(paths: Iterable[Path]) -> str:
    """Give a digest of files' names and contents."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()

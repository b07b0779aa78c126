"""Turn image files into frames."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, SourceError
from edgeseg.runtime.frame import Frame, to_bgr8
from edgeseg.runtime.quiet import silence_opencv
from edgeseg.runtime.sources.base import Source

IMAGE_SUFFIXES = frozenset(
    (
        ".avif",
        ".bmp",
        ".gif",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    )
)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as BGR uint8 (H, W, 3), turned upright by its EXIF orientation; see `to_bgr8`.

    Raises:
        SourceError: if it cannot be read or is not an image of 8 or 16 bits.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    if not data:
        raise SourceError(f"{path} is empty (0 bytes); copy or save it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:  # more pixels than OpenCV accepts
        raise SourceError(f"cannot read {path}: {error.err}") from error
    if image is None:
        raise SourceError(f"{path} is damaged or not an image that OpenCV can read; save it again as PNG")
    try:
        return to_bgr8(image)
    except ShapeError as error:
        raise SourceError(f"{path}: {error}") from error


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key under which numbers in names count as numbers: frame2 comes before frame10."""
    parts: list[str | int] = list(re.split(r"([0-9]+)", path.name.casefold()))
    parts[1::2] = [int(digits) for digits in parts[1::2]]
    return parts, path.name


class ImagesSource(Source):
    """Frames from image files; their names go with them.

    With several files, one that cannot be read is put on `skipped` and the next one is read; if none can be
    read, that is an error. A single file that cannot be read is an error.
    """

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        super().__init__()
        silence_opencv()
        self.name = name
        self.files = paths
        self.frame_count = len(paths)
        self._position = 0

    @classmethod
    def file(cls, path: Path) -> ImagesSource:
        """One image."""
        return cls([path], str(path))

    @classmethod
    def folder(cls, path: Path) -> ImagesSource:
        """All images of a folder in natural order; its subfolders and other files are left out.

        Raises:
            SourceError: if the folder cannot be listed or holds no image.
        """
        try:
            found = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        except OSError as error:
            raise SourceError(f"cannot list {path}: {error.strerror or error}") from error
        if not found:
            raise SourceError(
                f"{path} holds no image (of {', '.join(sorted(IMAGE_SUFFIXES))}); subfolders are not searched"
            )
        return cls(sorted(found, key=natural_key), str(path))

    def read(self) -> Frame | None:
        """Return the next readable image; see `Source.read`."""
        while self._position < len(self.files):
            path, index = self.files[self._position], self._position
            self._position += 1
            time_s = time.monotonic()
            try:
                return Frame(read_image(path), index, time_s, path.name)
            except SourceError as error:
                self.skipped.append(str(error))
                if len(self.skipped) == len(self.files):
                    raise self._nothing_readable(error) from error
        return None

    def _nothing_readable(self, error: SourceError) -> SourceError:
        if len(self.files) == 1:
            return error
        return SourceError(f"none of the {len(self.files)} images in {self.name} can be read: {error}")

"""Read image files as frames: each picture of a file, upright, in 8 bits."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, SourceError
from edgeseg.runtime.frame import Frame, to_bgr8
from edgeseg.runtime.quiet import silence_opencv
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.image_file import ImageFile

IMAGE_SUFFIXES = frozenset(
    (
        ".apng",
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
FULL_BITS = 16
COMMON_BITS = (8, 10, 12, 14, FULL_BITS)  # of sensors; values in 16 bits that end below are taken for these


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key under which numbers in names count as numbers: frame2 comes before frame10."""
    parts: list[str | int] = list(re.split(r"([0-9]+)", path.name.casefold()))
    parts[1::2] = [int(digits) for digits in parts[1::2]]
    return parts, path.name


class ImagesSource(Source):
    """Frames from image files; their names go with them.

    All pictures of a file are frames: pages of a TIFF file, frames of a GIF, APNG, WebP or AVIF animation;
    what a TIFF file calls reduced, or a mask, is none. EXIF orientation, and AVIF's own, make them upright.

    16-bit values are divided by 256, unless those of all pictures are below 2**14: then they are what a
    sensor of 14, 12, 10 or 8 bits gave, and its range is what fills 0..255. A file that says how large its
    values may be (TIFF's MaxSampleValue, PGM, JPEG 2000) is believed. One divisor holds for the whole source,
    and `notes` tells it; the files are looked through for it, up to the first larger value.

    With several files, one that cannot be read is put on `skipped` and the next one is read; if none can be
    read, that is an error. A single file that cannot be read is an error.
    """

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        super().__init__()
        silence_opencv()
        self.name = name
        self.files = paths
        self.frame_count = len(paths)
        self._bits: int | None = None  # of 16-bit values, once known
        self._frames = self._read_all()

    @classmethod
    def file(cls, path: Path) -> ImagesSource:
        """One file."""
        source = cls([path], str(path))
        try:
            source.frame_count = ImageFile(path).header.pages
        except SourceError:
            source.frame_count = 1  # reading says what is wrong
        return source

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
        """Return the next readable picture; see `Source.read`."""
        return None if self.closed else next(self._frames, None)

    def _read_all(self) -> Iterator[Frame]:
        index = unreadable = 0
        for number, path in enumerate(self.files):
            time_s = time.monotonic()
            try:
                file = ImageFile(path)
                if file.header.left_out:
                    self.notes.append(f"{file.header.left_out} reduced pictures in {path} are left out")
                for page_number, page in enumerate(file.pages()):
                    if page.image is None:
                        self._lose_page(path, page_number)
                    else:
                        upright = file.header.orientation.apply(self._to_8_bits(page.image, number))
                        media_s = page.media_s if len(self.files) == 1 else None
                        page_or_none = None if file.header.pages == 1 else page_number
                        yield Frame(upright, index, time_s, path.name, media_s, page_or_none)
                    index += 1
                    time_s = time.monotonic()
            except SourceError as error:
                self.skipped.append(str(error))
                index += 1
                unreadable += 1
                if len(self.files) == 1:
                    raise
                if unreadable == len(self.files):
                    raise SourceError(
                        f"none of the {len(self.files)} images in {self.name} can be read: {error}"
                    ) from error

    def _to_8_bits(self, image: NDArray[Any], number: int) -> NDArray[np.uint8]:
        """Turn a picture of the file of that number into a frame's."""
        if image.dtype == np.uint16 and self._bits is None:
            self._bits = self._find_bits(self.files[number:])
        try:
            return to_bgr8(image, bits=self._bits or FULL_BITS)
        except ShapeError as error:
            raise SourceError(f"{self.files[number]}: {error}") from error

    def _find_bits(self, paths: Sequence[Path]) -> int:
        """Find how many bits the 16-bit values of these files have, and note it where they are fewer."""
        said = largest = 0
        for path in paths:
            try:
                file = ImageFile(path)
                if file.header.bits != FULL_BITS:
                    continue
                said = max(said, file.header.top_bits or 0)
                if file.header.top_bits:
                    continue
                for page in file.pages():
                    if page.image is not None and page.image.dtype == np.uint16:
                        largest = max(largest, int(page.image.max()))
                    if largest.bit_length() > COMMON_BITS[-2]:
                        return FULL_BITS
            except SourceError:
                continue  # reading says what is wrong
        bits = max(next(bits for bits in COMMON_BITS if bits >= largest.bit_length()), said)
        if bits < FULL_BITS:
            reason = f"the file says {said} bits" if said == bits else f"the largest is {largest}"
            self.notes.append(
                f"16-bit values in {self.name} are taken for {bits}-bit ones and divided by "
                f"{1 << max(bits - 8, 0)} ({reason}), not by 256"
            )
        return bits

    def _lose_page(self, path: Path, page_number: int) -> None:
        self.bad_frames += 1
        self.skipped.append(f"page {page_number} of {path}, or the rest from there on, is damaged")

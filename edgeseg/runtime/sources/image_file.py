"""Turn an image file into its pages, as they are stored: one picture, or those of a stack or an animation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import MissingExtraError, SourceError
from edgeseg.opencv import EXTRA, cv2, is_installed
from edgeseg.reading import read_bytes
from edgeseg.runtime.pillow import decode_picture
from edgeseg.runtime.sources.budget import check_pixels
from edgeseg.runtime.sources.image_header import Header, read_header
from edgeseg.runtime.sources.tiff import begin_with

CHUNK_PIXELS = 1 << 24  # of an animation, decoded at once: OpenCV begins anew for each chunk
MS_PER_S = 1000.0
FTYP = b"ftyp"  # AVIF: of 10 and 12 bits OpenCV makes 8 itself if told to


class Page(NamedTuple):
    """One picture of a file.

    Attributes:
        image: (H, W) or (H, W, 3 or 4) BGR, uint8 or uint16 (or what `to_bgr8` refuses); None if damaged.
        media_s: when an animation shows it, from its beginning.
    """

    image: NDArray[Any] | None
    media_s: float | None = None


class ImageFile:
    """An image file whose header is read, and whose declared size is within the limit.

    Attributes:
        header: what it declares.

    Raises:
        SourceError: if it cannot be read, is no image, ends too soon, or declares too many pixels.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._data = read_bytes(path)
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        if not self._data:
            raise SourceError(f"{path} is empty (0 bytes); copy or save it again")
        header = read_header(self._data)
        if header is None:
            raise self._damaged()
        if header.truncated and header.pages == 1:
            raise SourceError(f"{path} is damaged: it ends before its picture does; copy or save it again")
        self.header: Header = header
        self._data = self._data[: header.whole_bytes]
        if header.bits == 16:  # noqa: PLR2004
            check_pixels(f"{path} (16 bits count twice)", 2 * header.width, header.height)
        check_pixels(str(path), header.width, header.height)

    def pages(self) -> Iterator[Page]:
        """Decode one page after another.

        Raises:
            SourceError: if the first one is damaged.
            MissingExtraError: if OpenCV is not installed, and Pillow cannot stand in.
        """
        if not is_installed():
            pages = self._by_pillow()
        else:
            pages = self._animation() if self._is_animation() else self._stack()
        for number, page in enumerate(pages):
            if page.image is None and not number:
                if self.header.unreadable:
                    raise SourceError(
                        f"{self._path} holds {self.header.unreadable}, in one channel; scale them to 0..255 "
                        "or 0..65535 and save them as uint8 or uint16"
                    )
                raise self._damaged()
            yield page

    def decode(self, flags: int) -> NDArray[Any] | None:
        """Decode the first picture by OpenCV's flags; None if it is damaged. Raises SourceError."""
        return self._decode(self._data, flags)

    def _is_animation(self) -> bool:
        return self.header.pages != 1 and not self.header.offsets

    def _by_pillow(self) -> Iterator[Page]:
        if self.header.pages != 1 or self.header.bits != 8 or self.header.offsets:  # noqa: PLR2004
            raise MissingExtraError("cv2", EXTRA)
        yield Page(decode_picture(self._data))

    def _stack(self) -> Iterator[Page]:
        data = bytearray(self._data) if len(self.header.offsets) > 1 else self._data
        for offset in self.header.offsets or (0,):
            if isinstance(data, bytearray):
                begin_with(data, offset)
            depth = 0 if data[4:8] == FTYP else cv2.IMREAD_ANYDEPTH
            yield Page(self._decode(data, cv2.IMREAD_COLOR | depth))

    def _decode(self, data: bytes | bytearray, flags: int) -> NDArray[Any] | None:
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise SourceError(f"cannot read {self._path}: {error.err}") from error

    def _animation(self) -> Iterator[Page]:
        at_once = max(1, CHUNK_PIXELS // (self.header.width * self.header.height))
        elapsed_ms = 0
        for first in count(0, at_once):
            whole, frames, durations = self._decode_chunk(first, at_once)
            for image, duration_ms in zip(frames, durations, strict=False):
                yield Page(image, elapsed_ms / MS_PER_S)
                elapsed_ms += int(duration_ms)
            if len(frames) < at_once:
                expected = self.header.pages
                if not (whole or first + len(frames) == expected) or (not first and not frames):
                    yield Page(None)
                return

    def _decode_chunk(self, first: int, at_once: int) -> tuple[bool, list[NDArray[Any]], list[int]]:
        if self.header.pages is not None and first >= self.header.pages:
            return True, [], []
        try:
            whole, found = cv2.imdecodeanimation(np.frombuffer(self._data, np.uint8), first, at_once)
        except cv2.error as error:
            raise SourceError(f"cannot read {self._path}: {error.err}") from error
        return whole, list(found.frames), list(found.durations)

    def _damaged(self) -> SourceError:
        return SourceError(
            f"{self._path} is damaged or not an image that can be read here; save it again as PNG"
        )


def read_stored(path: Path, flags: int) -> NDArray[Any]:
    """Decode one picture, such as a label map, by OpenCV's flags, after looking at what the file declares.

    Raises:
        SourceError: as `ImageFile`.
    """
    image = ImageFile(path).decode(flags)
    if image is None:
        raise SourceError(f"{path} is damaged or not an image that OpenCV can read; save it again as PNG")
    return image

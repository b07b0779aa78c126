"""Read a label map: a picture whose values, palette indices or colours are classes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SourceError, UsageError
from edgeseg.evaluation.stored_values import IGNORED, UNKNOWN, table_of
from edgeseg.opencv import cv2
from edgeseg.palette import RGBColour
from edgeseg.reading import read_bytes
from edgeseg.runtime.sources.image_file import ImageFile
from edgeseg.spec import VOID_LABEL

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK_FRAME = 12  # bytes of a chunk besides its data: length, type, checksum
BIT_DEPTH_AT, COLOUR_TYPE_AT = 8, 9  # in IHDR
GREY, INDEXED = 0, 3  # PNG's colour types
FULL_DEPTH = 8
BINARY = 2  # classes
WHITE = 255
VOID_RGB = ((224, 224, 192), (0, 0, 0))  # VOC's border; and what many data sets leave unlabelled


class LabelMaps:
    """How the label maps of one data set are read; a map at a time.

    Maps of one channel store values, those with a palette its indices; pictures in colour take the colours of
    the classes.

    Args:
        classes: of the network.
        ignore: the stored value that is not counted; None: all are.
        rules: what other values mean, see `stored_values.table_of`.
        palette_rgb: a colour for each class, for maps in colour: pictures of three channels are then colours,
            grey ones too. Other colours are refused, but VOC's border and a black that belongs to no class,
            which are not counted.
    """

    def __init__(
        self,
        classes: int,
        *,
        ignore: int | None = VOID_LABEL,
        rules: Sequence[str] = (),
        palette_rgb: Sequence[RGBColour] = (),
    ) -> None:
        self._classes = classes
        self._ignore = ignore
        self._rules = tuple(rules)
        self._table = table_of(classes, ignore=ignore, rules=rules)
        self._colours = _colour_table(palette_rgb)

    def read(self, path: Path, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
        """Read class ids (H, W), VOID_LABEL where they are not counted.

        Args:
            size_hw: of the image.

        Raises:
            UsageError: if it is no image, has another size than its image, or values or colours that are no
                class.
        """
        stored = read_values(path, colours=self._colours is not None)
        if stored.shape[:2] != size_hw:
            raise UsageError(
                f"{path} is {stored.shape[0]}x{stored.shape[1]}; a label map has the size of its image, "
                f"{size_hw[0]}x{size_hw[1]}"
            )
        if stored.ndim == 3:  # noqa: PLR2004 - (H, W, 3)
            return self._from_colours(path, stored)
        self._refuse_white_foreground(path, stored)
        labels = self._table[stored]
        if (labels == UNKNOWN).any():
            not_counted = "all are counted" if self._ignore is None else f"{self._ignore} is not counted"
            raise UsageError(
                f"{path} has the value {stored[labels == UNKNOWN].max()}; the network has {self._classes} "
                f"classes, {not_counted}; save class ids, or say what values mean: evaluate --map-label"
            )
        return np.asarray(labels, np.uint8)

    def _refuse_white_foreground(self, path: Path, stored: NDArray[Any]) -> None:
        """Refuse masks of 0 and 255, whose foreground would not be counted."""
        if self._classes != BINARY or self._ignore != WHITE or self._rules:
            return
        white = stored == WHITE
        if white.any() and not stored[~white].any() and white.mean() < 1:
            raise UsageError(
                f"{path} holds 0 and 255 alone; if 255 is the foreground, say --map-label 255=1, if it is "
                "not to be counted, --ignore-label 255"
            )

    def _from_colours(self, path: Path, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._colours is None:
            raise UsageError(
                f"{path} is a picture in colour; say whose colours its classes have: --palette, such as voc "
                "or cityscapes, or a file"
            )
        packed = _packed(bgr[..., ::-1].astype(np.int64))
        values, inverse = np.unique(packed, return_inverse=True)
        ids = np.array([self._colours.get(int(value), UNKNOWN) for value in values], np.int64)
        if (ids < 0).any():
            value = int(values[ids < 0][0])
            why = "the colour of no class" if ids.min() == UNKNOWN else "the colour of two classes"
            raise UsageError(f"{path} has #{value:06x}, {why}; give another --palette, or maps of class ids")
        return ids[inverse].reshape(bgr.shape[:2]).astype(np.uint8)


def read_values(path: Path, *, colours: bool = False) -> NDArray[Any]:
    """Read what a map stores, (H, W) values of 8 or 16 bits or palette indices, or (H, W, 3) BGR.

    Args:
        colours: three channels are colours; otherwise, where they are equal, they are one.

    Raises:
        UsageError: if it is no image that can be read, or of another kind.
    """
    try:
        file = ImageFile(path)  # looks at what it declares, before anything is decoded
        stored = _indices(read_bytes(path))
        if stored is None:
            stored = file.decode(cv2.IMREAD_UNCHANGED)
    except (SourceError, OSError) as error:
        raise UsageError(f"{path} cannot be read as an image: {error}") from error
    if stored is None:
        raise UsageError(f"{path} cannot be read as an image: it is damaged; save it again as PNG")
    if stored.dtype not in (np.uint8, np.uint16):
        raise UsageError(f"{path} holds {stored.dtype}; a label map holds integers of 8 or 16 bits")
    if stored.ndim == 2:  # noqa: PLR2004 - (H, W)
        return np.asarray(stored)
    stored = np.asarray(stored)[..., :3]
    if not colours and (stored == stored[..., :1]).all():
        return np.ascontiguousarray(stored[..., 0])
    if stored.dtype != np.uint8:
        raise UsageError(f"{path} has three channels of 16 bits; a label map has one, or colours of 8 bits")
    return stored


def _indices(data: bytes) -> NDArray[Any] | None:
    """Read the indices of a PNG with a palette; None for any other.

    OpenCV gives its colours alone. As grey levels, of which PNG stores the same bytes, it gives the indices.
    """
    if data[:8] != PNG_SIGNATURE or data[12:16] != b"IHDR" or len(data) < 33:  # noqa: PLR2004 - its end
        return None
    header = bytearray(data[16:29])
    if header[COLOUR_TYPE_AT] != INDEXED:
        return None
    header[COLOUR_TYPE_AT] = GREY
    parts, at = [PNG_SIGNATURE, _chunk(b"IHDR", bytes(header))], 33
    while at + CHUNK_FRAME <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] in (b"IDAT", b"IEND"):
            parts.append(data[at : at + CHUNK_FRAME + length])
        at += CHUNK_FRAME + length
    grey = cv2.imdecode(np.frombuffer(b"".join(parts), np.uint8), cv2.IMREAD_UNCHANGED)
    if grey is None or header[BIT_DEPTH_AT] > FULL_DEPTH:
        return None
    steps = (1 << header[BIT_DEPTH_AT]) - 1  # fewer bits are spread over 0..255
    return np.asarray(grey) // (WHITE // steps)


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


AMBIGUOUS = -2


def _colour_table(palette_rgb: Sequence[RGBColour]) -> dict[int, int] | None:
    """Map packed colours to class ids, AMBIGUOUS where several classes have one."""
    if not palette_rgb:
        return None
    table = {int(_packed(np.array(colour))): IGNORED for colour in VOID_RGB}
    seen: dict[int, int] = {}
    for class_id, colour in enumerate(palette_rgb):
        packed = int(_packed(np.array(colour)))
        seen[packed] = AMBIGUOUS if packed in seen else class_id
    return table | seen


def _packed(rgb: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put (..., 3) red, green and blue into one number (...)."""
    return np.asarray(rgb @ np.array([1 << 16, 1 << 8, 1]))

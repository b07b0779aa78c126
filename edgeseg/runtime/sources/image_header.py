"""Read what the first bytes of an image file declare: size, pages, depth and orientation."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from edgeseg.runtime.sources.isobmff import read_isobmff
from edgeseg.runtime.sources.tiff import read_tiff
from edgeseg.runtime.upright import UPRIGHT, Orientation

JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
JPEG_BARE_MARKERS = frozenset((0x01, 0xFF, *range(0xD0, 0xD9)))  # they have no length
START_OF_SCAN, END_OF_IMAGE = 0xDA, b"\xff\xd9"
PNG_CHUNK_BYTES = 12  # length, kind and checksum around the content
GIF_EXTENSION, GIF_IMAGE = 0x21, 0x2C


@dataclass(frozen=True)
class Header:
    """What an image file says of itself.

    Attributes:
        width, height: of the largest picture in it, in pixels as stored.
        pages: how many pictures, None where only decoding tells.
        bits: of a channel's value as it is decoded, 8 or 16.
        top_bits: of the largest value there may be, where the file says so; None where it does not.
        orientation: what OpenCV leaves to be done.
        offsets: of the pages' directories in a TIFF file.
        left_out: pictures that are no pages, such as the reduced ones of a TIFF file.
        unreadable: what OpenCV does not decode, such as "32-bit values"; empty where it should.
        truncated: the file ends before its last picture does.
        whole_bytes: of a truncated file, those that may be decoded; None where that is all of them.
    """

    width: int
    height: int
    pages: int | None = 1
    bits: int = 8
    top_bits: int | None = None
    orientation: Orientation = UPRIGHT
    offsets: tuple[int, ...] = ()
    left_out: int = 0
    unreadable: str = ""
    truncated: bool = False
    whole_bytes: int | None = None


def read_header(data: bytes) -> Header | None:
    """Read the header of an image file; None where the format is unknown, or the header damaged."""
    for signature, reader in _READERS:
        if re.match(signature, data[:16], re.DOTALL):
            try:
                return reader(data)
            except (struct.error, LookupError, ValueError, OverflowError):
                return None
    return None


def _png(data: bytes) -> Header:
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    pages, at, ended = 1, 8, False
    while not ended and at + PNG_CHUNK_BYTES <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + PNG_CHUNK_BYTES + length > len(data):
            break
        if kind == b"acTL":
            pages = max(1, struct.unpack_from(">I", data, at + 8)[0])
        elif kind == b"fcTL":
            wide, high, left, top = struct.unpack_from(">4I", data, at + 12)
            if left + wide > width or top + high > height:
                raise ValueError("a frame is larger than the picture")
        at += PNG_CHUNK_BYTES + length
        ended = kind == b"IEND"
    # a chunk may declare 4 GB, which OpenCV would allocate; those of an animation before it can be read
    cut = None if ended or at == len(data) else at
    depth = 16 if bits == 16 else 8  # noqa: PLR2004
    return Header(width, height, pages, depth, truncated=cut is not None, whole_bytes=cut)


def _jpeg(data: bytes) -> Header:
    at, size = 2, None
    while True:
        at = data.index(b"\xff", at) + 1
        marker = data[at]
        if marker in JPEG_BARE_MARKERS:
            at += marker != 0xFF  # noqa: PLR2004 - filling bytes come before a marker
            continue
        if marker == START_OF_SCAN:
            break
        if marker in JPEG_SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 4)
            size = (width, height)
        at += 1 + struct.unpack_from(">H", data, at + 1)[0]
    if size is None:
        raise ValueError("no size before the first scan")
    return Header(*size, truncated=data.find(END_OF_IMAGE, at) < 0)


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, pages = 13 + _gif_table(flags), 0
    while at < len(data) and data[at] in (GIF_EXTENSION, GIF_IMAGE):
        if data[at] == GIF_IMAGE:
            pages += 1
            right, low, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            width, height = max(width, right + wide), max(height, low + high)
            at += 11 + _gif_table(flags)
        else:
            at += 2
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
    return Header(width, height, max(pages, 1))


def _gif_table(flags: int) -> int:
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _bmp(data: bytes) -> Header:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # noqa: PLR2004 - the header of OS/2 1.x
        return Header(*struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return Header(abs(width), abs(height))


def _webp(data: bytes) -> Header:
    at, width, height, pages = 12, 0, 0, 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        body = at + 8
        wide = high = 0
        if kind == b"VP8X":
            wide, high = 1 + _u24(data, body + 4), 1 + _u24(data, body + 7)
        elif kind == b"VP8L":
            packed = struct.unpack_from("<I", data, body + 1)[0]
            wide, high = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        elif kind == b"VP8 ":
            wide, high = (side & 0x3FFF for side in struct.unpack_from("<HH", data, body + 6))
        elif kind == b"ANMF":
            pages += 1
        width, height = max(width, wide), max(height, high)
        at = body + length + length % 2
    return Header(width, height, max(pages, 1))


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _netpbm(data: bytes) -> Header:
    tokens = re.sub(rb"#[^\n]*\n?", b" ", data[: 1 << 12]).split(maxsplit=9)
    if tokens[0] == b"P7":  # names and values in turn
        named = dict(zip(tokens[1::2], tokens[2::2], strict=False))
        tokens = [b"P6", named[b"WIDTH"], named[b"HEIGHT"], named[b"MAXVAL"]]
    width, height = int(tokens[1]), int(tokens[2])
    if tokens[0] in (b"P1", b"P4"):
        return Header(width, height)
    if tokens[0] in (b"PF", b"Pf"):
        return Header(width, height, bits=16)
    most = int(tokens[3])
    deep = most > 255  # noqa: PLR2004
    return Header(width, height, bits=16 if deep else 8, top_bits=most.bit_length() if deep else None)


def _jpeg2000(data: bytes) -> Header:
    at = data.index(b"\xff\x4f\xff\x51")  # start of codestream, image and tile size
    right, low, left, top = struct.unpack_from(">4I", data, at + 8)
    bits = 1 + (data[at + 42] & 0x7F)
    deep = bits > 8  # noqa: PLR2004
    return Header(right - left, low - top, bits=16 if deep else 8, top_bits=bits if deep else None)


def _radiance(data: bytes) -> Header:
    match = re.search(rb"[-+]([XY]) ([0-9]+) [-+][XY] ([0-9]+)\n", data[: 1 << 16])
    if match is None:
        raise ValueError("no resolution")
    return Header(int(match[3]), int(match[2]), bits=16)


def _sun(data: bytes) -> Header:
    return Header(*struct.unpack_from(">II", data, 4))


def _tiff(data: bytes) -> Header:
    found = read_tiff(data)
    pages = [page for page in found if not page.reduced] or found
    deepest = max(pages, key=lambda page: page.bits)
    return Header(
        max(page.width for page in found),
        max(page.height for page in found),
        len(pages),
        16 if deepest.bits > 8 else 8,  # noqa: PLR2004
        deepest.top_bits,
        offsets=tuple(page.offset for page in pages),
        left_out=len(found) - len(pages),
        unreadable=f"{deepest.bits}-bit values" if deepest.bits > 16 else "",  # noqa: PLR2004
    )


def _isobmff(data: bytes) -> Header:
    width, height, moving, orientation = read_isobmff(data)
    # OpenCV makes 8 bits of a still picture, and leaves those of a sequence as they are
    return Header(width, height, None if moving else 1, 16 if moving else 8, orientation=orientation)


_READERS: tuple[tuple[bytes, Callable[[bytes], Header]], ...] = (
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"\xff\xd8\xff", _jpeg),
    (rb"GIF8[79]a", _gif),
    (rb"BM", _bmp),
    (rb"RIFF....WEBP", _webp),
    (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", _tiff),
    (rb"P[1-7Ff]\s", _netpbm),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", _jpeg2000),
    (rb"....ftyp", _isobmff),
    (rb"#\?(RADIANCE|RGBE)", _radiance),
    (rb"\x59\xa6\x6a\x95", _sun),
)

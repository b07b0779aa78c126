"""Turn the directories of a TIFF file into its pages, and one page into a file that begins with it."""

from __future__ import annotations

import struct
from typing import NamedTuple

MOST_PAGES = 1 << 16
BIG = 43  # the version of BigTIFF
SHORT, LONG, LONG8 = 3, 4, 16
WHOLE_NUMBERS = {SHORT: "H", LONG: "I", LONG8: "Q"}
SUBFILE_TYPE, WIDTH, HEIGHT, BITS, MAX_SAMPLE = 254, 256, 257, 258, 281
REDUCED, MASK = 1, 4  # bits of the subfile type


class Directory(NamedTuple):
    """One directory: its offset, the size in pixels, bits of a sample, those of the largest value if said."""

    offset: int
    width: int
    height: int
    bits: int
    top_bits: int | None
    reduced: bool


def read_tiff(data: bytes) -> list[Directory]:
    """Follow the chain of directories, at most MOST_PAGES of them.

    Raises:
        ValueError, struct.error, OverflowError: if there is none, or the first one is damaged; a broken chain
            ends there.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = BIG in data[2:4]
    offset_at, offset_form, entry_bytes = (8, "Q", 20) if big else (4, "I", 12)
    (offset,) = struct.unpack_from(order + offset_form, data, offset_at)
    pages: list[Directory] = []
    seen: set[int] = set()
    while offset and offset not in seen and len(pages) < MOST_PAGES:
        seen.add(offset)
        try:
            (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
            first = offset + (8 if big else 2)
            behind = first + entries * entry_bytes
            (following,) = struct.unpack_from(order + offset_form, data, behind)
            pages.append(_page(data, order, offset, range(first, behind, entry_bytes), big=big))
        except (struct.error, OverflowError):  # an offset of 64 bits may be no index at all
            if not pages:
                raise
            break
        offset = following
    if not pages:
        raise ValueError("no directory")
    return pages


def begin_with(data: bytearray, offset: int) -> None:
    """Let a TIFF file begin with the page whose directory is at `offset`."""
    order = "<" if data[:2] == b"II" else ">"
    form, at = ("Q", 8) if BIG in data[2:4] else ("I", 4)
    struct.pack_into(order + form, data, at, offset)


def _page(data: bytes, order: str, offset: int, entries: range, *, big: bool) -> Directory:
    tags: dict[int, int] = {}
    for at in entries:
        tag, kind = struct.unpack_from(order + "HH", data, at)
        form = WHOLE_NUMBERS.get(kind)
        if form is None or tag not in (SUBFILE_TYPE, WIDTH, HEIGHT, BITS, MAX_SAMPLE):
            continue
        (count,) = struct.unpack_from(order + ("Q" if big else "I"), data, at + 4)
        value_at, room = (at + 12, 8) if big else (at + 8, 4)
        if count * struct.calcsize(order + form) > room:  # several values, elsewhere; the first will do
            (value_at,) = struct.unpack_from(order + ("Q" if big else "I"), data, value_at)
        (tags[tag],) = struct.unpack_from(order + form, data, value_at)
    most = tags.get(MAX_SAMPLE, 0)
    return Directory(
        offset,
        tags.get(WIDTH, 0),
        tags.get(HEIGHT, 0),
        tags.get(BITS, 1),
        most.bit_length() if most > 255 else None,  # noqa: PLR2004
        bool(tags.get(SUBFILE_TYPE, 0) & (REDUCED | MASK)),
    )

"""Read size and orientation of an AVIF file's picture from its boxes (ISO/IEC 14496-12, 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edgeseg.runtime.upright import UPRIGHT, Orientation

Box = tuple[bytes, int, int]  # type, begin and end of its content


def read_isobmff(data: bytes) -> tuple[int, int, bool, Orientation]:
    """Read width and height of the largest picture, whether it is a sequence, and the orientation.

    The orientation is that of the primary item; the properties `irot` and `imir` apply in their order.

    Raises:
        ValueError, struct.error: if there is no size, or the boxes are damaged.
    """
    moving = b"avis" in data[8 : 8 + 64]
    sizes: list[tuple[int, int]] = []
    orientation = UPRIGHT
    for kind, begin, end in _boxes(data, 0, len(data)):
        if kind == b"meta":
            properties, orientation = _read_meta(data, begin + 4, end)
            sizes += properties
        elif kind == b"moov":
            sizes += _track_sizes(data, begin, end)
    if not sizes:
        raise ValueError("no size")
    return max(w for w, _ in sizes), max(h for _, h in sizes), moving, orientation


def _boxes(data: bytes, at: int, end: int) -> Iterator[Box]:
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        begin = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        stop = min(end, at + size) if size else end
        if stop < begin:
            raise ValueError("a box ends before it begins")
        yield kind, begin, stop
        at = stop


def _read_meta(data: bytes, begin: int, end: int) -> tuple[list[tuple[int, int]], Orientation]:
    primary, properties, used = 0, [], {}
    for kind, start, stop in _boxes(data, begin, end):
        if kind == b"pitm":
            primary = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)[0]
        elif kind == b"iprp":
            for inner, first, last in _boxes(data, start, stop):
                if inner == b"ipco":
                    properties = list(_boxes(data, first, last))
                elif inner == b"ipma":
                    used.update(_associations(data, first))
    sizes = [struct.unpack_from(">II", data, start + 4) for kind, start, _ in properties if kind == b"ispe"]
    orientation = UPRIGHT
    for index in used.get(primary, ()):
        if not 1 <= index <= len(properties):
            continue
        kind, start, _ = properties[index - 1]
        if kind == b"irot":
            orientation = orientation.turned_left(data[start] & 3)
        elif kind == b"imir":
            orientation = orientation.mirrored(left_right=bool(data[start] & 1))
    return sizes, orientation


def _associations(data: bytes, at: int) -> dict[int, list[int]]:
    """Read which properties, numbered from 1, each item has."""
    version, wide = data[at], data[at + 3] & 1
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    found: dict[int, list[int]] = {}
    for _ in range(entries):
        item, count = struct.unpack_from(">IB" if version else ">HB", data, at)
        at += 5 if version else 3
        form = f">{count}H" if wide else f">{count}B"
        # the top bit says that the property is essential
        found[item] = [value & (0x7FFF if wide else 0x7F) for value in struct.unpack_from(form, data, at)]
        at += struct.calcsize(form)
    return found


def _track_sizes(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    for kind, start, stop in _boxes(data, begin, end):
        if kind == b"trak":
            yield from _track_sizes(data, start, stop)
        elif kind == b"tkhd":
            wide, high = struct.unpack_from(">II", data, stop - 8)
            yield wide >> 16, high >> 16

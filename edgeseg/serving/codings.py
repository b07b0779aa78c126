"""Unpack what comes compressed over HTTP, and compress what a client takes so: gzip, deflate (RFC 9110)."""

from __future__ import annotations

import re
import zlib

from edgeseg.errors import UsageError, shown
from edgeseg.limits import current, refuse_above

PLAIN = "identity"
_WINDOWS = {"gzip": 31, "deflate": 15}  # of zlib: 16 more stand for gzip's frame
_REFUSED = re.compile(r"q=0(\.0{0,3})?")  # the weight of a coding that a client does not take
_LEVEL = 1  # label maps become a hundredth by the quickest level already


def unpacked(data: bytes | bytearray, coding: str) -> bytes | bytearray:
    """Undo the coding that a header names.

    Raises:
        UsageError: if it is another coding, the data are damaged, or more than the limit of bytes.
    """
    if coding in ("", PLAIN):
        return data
    if coding not in _WINDOWS:
        raise UsageError(f"the coding {shown(coding)} is not one of {', '.join(_WINDOWS)}")
    unpacking = zlib.decompressobj(_WINDOWS[coding])
    try:
        found = unpacking.decompress(data, current().bytes + 1)
    except zlib.error as error:
        raise UsageError(f"the request is no whole {coding} data: {error}") from error
    refuse_above("bytes", len(found), "the request unpacked", UsageError)
    if not unpacking.eof:
        raise UsageError(f"the request is no whole {coding} data: it ends too early")
    return found


def packed(data: bytes, coding: str) -> bytes:
    """Apply a coding."""
    if coding == PLAIN:
        return data
    packing = zlib.compressobj(_LEVEL, wbits=_WINDOWS[coding])
    return packing.compress(data) + packing.flush()


def taken(header: str) -> str:
    """Choose a coding of those that a client takes, by its header Accept-Encoding; PLAIN if there is none."""
    for entry in header.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() in _WINDOWS and not _REFUSED.fullmatch(weight.replace(" ", "")):
            return coding.strip()
    return PLAIN

"""Tell by a packet's own bytes whether decoding can begin with it, as if those before had been decoded.

Containers call pictures key frames, too, behind which a decoder needs some more to be whole (intra refresh).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

ALWAYS = frozenset("dnxhd ffv1 mjpeg prores".split())  # noqa: SIM905 - what the container says is enough
START = b"\0\0\1"
ESCAPED, PLAIN = b"\0\0\3", b"\0\0"
HEAD_BYTES = 64  # of a unit, in which what is asked for stands
# H.264, tables 7-1 and 7-6, and D.1
SLICE, PARTITIONS, IDR, SEI = 1, range(2, 5), 5, 6
SLICE_TYPES, INTRA = 5, (2, 4)
RECOVERY_POINT, MORE = 6, 0xFF
# HEVC, table 7-1
PICTURES, RANDOM_ACCESS = range(32), range(16, 24)
AVC_LENGTH, HEVC_LENGTH = 4, 21  # places in the description of a stream
# AV1, 6.2.2
FRAME_HEADER, FRAME = 3, 6


def begins_whole(data: bytes, codec: str, described: bytes) -> bool:
    """Tell whether decoding can begin with a packet that its container calls a key frame.

    Args:
        data: the packet.
        codec: FFmpeg's name, one of `packets.ONE_PICTURE`.
        described: what the container says of the stream (FFmpeg's extradata).

    Returns:
        False where that is not sure, and where the packet is damaged.
    """
    if codec in ALWAYS:
        return True
    if codec in _UNITS:
        length_at, whole = _UNITS[codec]
        return whole(list(_units(data, described, length_at)))
    try:
        return _READERS[codec](data)
    except IndexError:
        return False


def _units(data: bytes, described: bytes, length_at: int) -> Iterator[bytes]:
    """Give the NAL units of a packet, each behind its length, or behind a start code."""
    if described[:1] != b"\1" or len(described) <= length_at:
        yield from (unit for unit in data.split(START)[1:] if unit)
        return
    wide = (described[length_at] & 3) + 1
    at = 0
    while at + wide < len(data):
        end = at + wide + int.from_bytes(data[at : at + wide], "big")
        if unit := data[at + wide : end]:
            yield unit
        at = end


def _h264(units: list[bytes]) -> bool:
    """Look for an instant refresh, or for an intra picture that says that it is a point of exact recovery."""
    kinds = [unit[0] & 31 for unit in units]
    if IDR in kinds:
        return True
    slices = [unit for unit, kind in zip(units, kinds, strict=True) if kind == SLICE]
    if not slices or any(kind in PARTITIONS for kind in kinds):
        return False
    return all(_slice_type(unit) in INTRA for unit in slices) and any(
        _recovers_at_once(unit) for unit, kind in zip(units, kinds, strict=True) if kind == SEI
    )


def _slice_type(unit: bytes) -> int:
    bits = _Bits(unit[1:])
    bits.exp_golomb()  # the first macroblock
    return bits.exp_golomb() % SLICE_TYPES


def _recovers_at_once(unit: bytes) -> bool:
    data = unit[1:].replace(ESCAPED, PLAIN)
    at = 0
    while at + 2 < len(data):
        kind, at = _summed(data, at)
        size, at = _summed(data, at)
        if kind == RECOVERY_POINT:
            bits = _Bits(data[at : at + size])
            return bits.exp_golomb() == 0 and bits.take(1) == 1  # frames until then; exact
        at += size
    return False


def _summed(data: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(data) and data[at] == MORE:
        total, at = total + MORE, at + 1
    return total + (data[at] if at < len(data) else 0), at + 1


def _hevc(units: list[bytes]) -> bool:
    """Look for pictures of random access alone, in the base layer."""
    kinds = [unit[0] >> 1 & 63 for unit in units if len(unit) > 1 and not unit[0] & 1 and not unit[1] >> 3]
    pictures = [kind for kind in kinds if kind in PICTURES]
    return bool(pictures) and all(kind in RANDOM_ACCESS for kind in pictures)


def _mpeg2(data: bytes) -> bool:
    return START + b"\0" in data and data[data.index(START + b"\0") + 5] >> 3 & 7 == 1


def _mpeg4(data: bytes) -> bool:
    return START + b"\xb6" in data and data[data.index(START + b"\xb6") + 4] >> 6 == 0


def _vp8(data: bytes) -> bool:
    return not data[0] & 1


def _vp9(data: bytes) -> bool:
    bits = _Bits(data)
    marker, profile = bits.take(2), bits.take(1) + 2 * bits.take(1)
    bits.take(profile == 3)  # noqa: PLR2004 - of the last profile, a bit is reserved
    return (marker, bits.take(1), bits.take(1), bits.take(1)) == (2, 0, 0, 1)


def _av1(data: bytes) -> bool:
    at = 0
    while at < len(data):
        head = data[at]
        at += 1 + (head >> 2 & 1)
        size, shift = len(data) - at, 0
        if head & 2:
            size = 0
            while True:
                size |= (data[at] & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not data[at - 1] & 0x80:
                    break
        if head >> 3 & 15 in (FRAME_HEADER, FRAME):
            return data[at] >> 4 == 1  # not shown before, a key frame, shown
        at += size
    return False


class _Bits:
    """Reads bits from the beginning of some bytes; behind these there are zeros."""

    def __init__(self, data: bytes) -> None:
        head = data[:HEAD_BYTES].replace(ESCAPED, PLAIN).ljust(HEAD_BYTES, b"\0")
        self._value = int.from_bytes(head, "big")
        self._left = 8 * len(head)

    def take(self, count: int) -> int:
        self._left = max(self._left - count, 0)
        return self._value >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """Read an unsigned number as H.264 writes it (9.1)."""
        zeros = 0
        while self._left and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


_UNITS: dict[str, tuple[int, Callable[[list[bytes]], bool]]] = {
    "h264": (AVC_LENGTH, _h264),
    "hevc": (HEVC_LENGTH, _hevc),
}
_READERS: dict[str, Callable[[bytes], bool]] = {
    "av1": _av1,
    "mpeg1video": _mpeg2,
    "mpeg2video": _mpeg2,
    "mpeg4": _mpeg4,
    "vp8": _vp8,
    "vp9": _vp9,
}

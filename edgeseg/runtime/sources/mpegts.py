"""Find out whether packets of an MPEG transport stream (ISO/IEC 13818-1) are missing."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

SYNC = b"\x47"
PACKET_BYTES = 188
# Bytes from packet to packet, and before the first: plain, behind a time of arrival, before a checksum.
FORMS = ((PACKET_BYTES, 0), (192, 4), (192, 0), (204, 0))
LONGEST_LOOK = 1 << 26  # bytes of a gap that are looked at; they take 0.1 s
COUNTERS = 16
NULL_PID = 0x1FFF
COMPARED = 100  # bytes at the end of a packet, behind what may change
CONTEXT = 8  # pictures before and behind, in which tables stand that count on, too
REMEMBERED = 64  # pictures; they come out of order by less


class TransportStream:
    """Where the pictures of a file are, and whether packets between two of them are missing.

    Args:
        pid: of the pictures.
    """

    def __init__(self, path: Path, pid: int) -> None:
        self._path = path
        self._pid = pid
        self._places: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)  # in the file, and the timestamp

    def note(self, place: int | None, stamp: int | None) -> None:
        """Take note of a picture, in order of decoding, at best CONTEXT before it is decoded."""
        if place is not None and place >= 0 and stamp is not None:
            self._places.append((place, stamp))

    def is_broken(self, earlier: int, later: int) -> bool:
        """Tell whether packets around the pictures of two timestamps are missing or damaged."""
        around = [number for number, (_, stamp) in enumerate(self._places) if stamp in (earlier, later)]
        if not around:
            return False
        places = [place for place, _ in self._places]
        first, last = max(min(around) - CONTEXT, 0), max(around) + CONTEXT
        end = places[last] if last < len(places) else None
        return is_broken(self._path, places[first], end, self._pid)


def is_broken(path: Path, begin: int, end: int | None, pid: int) -> bool:
    """Tell whether packets between two places of a file are missing or damaged.

    The packets of each programme, table and stream count to 16; what begins a picture begins with 00 00 01.

    Args:
        begin, end: where packets begin; None for the end of the file.
        pid: of the pictures.
    """
    with path.open("rb") as file:
        file.seek(begin)
        data = file.read(min(LONGEST_LOOK, LONGEST_LOOK if end is None else end - begin))
    forms = [(size, at) for size, at in FORMS if data[at : at + 1] == SYNC == (data[at + size :][:1] or SYNC)]
    if not forms:
        return True
    size, at = forms[0]
    data = data[at:] + bytes(at)
    heads = np.frombuffer(data[: len(data) // size * size], np.uint8).reshape(-1, size)[:, :PACKET_BYTES]
    if (heads[:, 0] != SYNC[0]).any() or (heads[:, 1] & 0x80).any():
        return True
    pids = (heads[:, 1] & 0x1F).astype(np.int32) << 8 | heads[:, 2]
    field, counters = heads[:, 3] & 0x30, heads[:, 3] & 0x0F
    for each in np.unique(pids[pids != NULL_PID]):
        chosen = (pids == each) & (field & 0x10 > 0)  # those without content do not count on
        steps = np.diff(counters[chosen].astype(np.int32)) % COUNTERS
        ends = heads[chosen, -COMPARED:]
        repeats = (ends[1:] == ends[:-1]).all(axis=1)  # each packet may come twice
        if ((steps != 1) & ~((steps == 0) & repeats)).any():
            return True
    begins = (pids == pid) & (heads[:, 1] & 0x40 > 0) & (field & 0x10 > 0)
    for packet in heads[begins]:
        content = 4 + (1 + int(packet[4]) if packet[3] & 0x20 else 0)
        if packet[content : content + 3].tobytes() != b"\0\0\1"[: max(PACKET_BYTES - content, 0)]:
            return True
    return False

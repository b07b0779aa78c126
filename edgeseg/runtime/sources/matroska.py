"""Find what of a Matroska file could not be read, by the places of its packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Bytes between two packets: the heads of a cluster and a block (RFC 9559), with what may stand in them.
MOST_BETWEEN = 48
HEAD_BYTES = 1 << 20  # in which the first cluster is looked for
CLUSTER, TIMESTAMP, CRC, SEEK_ID = b"\x1f\x43\xb6\x75", b"\xe7", b"\xbf", b"\x53\xab"
CRC_BYTES, LONGEST_SIZE = 6, 8
BLOCKS = b"\xa3\xa1"
MOST_INNER = 64  # elements
# What may stand behind the last block: void, CRC, the rest of its group; then cues, tags, attachments,
# chapters, information, tracks, seek head.
INNER = tuple(bytes.fromhex(number) for number in ("ec", "bf", "9b", "fb", "fa", "a4", "75a1", "75a2"))
OUTER = tuple(
    bytes.fromhex(number)
    for number in ("1c53bb6b", "1254c367", "1941a469", "1043a770", "1549a966", "1654ae6b", "114d9b74")
)
ALPHA = "alpha_mode"  # then more follows each packet


def whole_packets(
    container: InputContainer, stream: VideoStream, on_failure: Callable[[], None], path: Path
) -> Iterator[Packet[VideoStream]]:
    """Give the packets of a stream, and call `on_failure` where bytes of the file were passed over.

    FFmpeg goes on behind them with the next cluster, and says nothing.
    """
    cluster = first_cluster(path)
    behind = None if cluster is None else cluster[0]
    at = None  # where the content of the last block begins
    streams = [other for other in container.streams if other.type in ("video", "audio", "subtitle")]
    has_more = any(ALPHA in other.metadata for other in streams)
    for packet in cast("Iterator[Packet[VideoStream]]", container.demux()):
        if packet.size and packet.pos is not None:
            if behind is not None and packet.pos - behind > MOST_BETWEEN and not has_more:
                on_failure()
            laced = packet.pos == at  # one block holds several
            behind = (behind or 0) + packet.size if laced else packet.pos + packet.size
            at = packet.pos
        elif behind is not None and not has_more and at is not None and not _is_last(path, at):
            on_failure()
            at = None
        if packet.stream_index == stream.index:
            yield packet


def first_cluster(path: Path) -> tuple[int, int] | None:
    """Find where the first cluster of a file begins, and its time in ticks; None if that is far behind."""
    with path.open("rb") as file:
        data = file.read(HEAD_BYTES)
    at = data.find(CLUSTER)
    while at > 0 and SEEK_ID in data[at - 4 : at]:  # only named, in the table of contents
        at = data.find(CLUSTER, at + 1)
    if at < 0:
        return None
    size_at = at + len(CLUSTER)
    first = data[size_at] if size_at < len(data) else 0
    content = size_at + _size_bytes(first)
    content += CRC_BYTES * data.startswith(CRC, content)
    if not data.startswith(TIMESTAMP, content):
        return None
    length = data[content + 1] & 0x7F
    return at, int.from_bytes(data[content + 2 : content + 2 + length], "big")


def _is_last(path: Path, content: int) -> bool:
    """Tell whether the file ends, or has no more pictures, behind the block whose content begins there."""
    with path.open("rb") as file:
        file.seek(max(content - 1 - LONGEST_SIZE, 0))
        head = file.read(min(content, 1 + LONGEST_SIZE))
        lengths = [n for n in range(1, len(head)) if head[-n - 1] in BLOCKS and _size_bytes(head[-n]) == n]
        if not lengths:
            return True
        behind = content + _size(head[-lengths[0] :])
        for _ in range(MOST_INNER):
            if behind > path.stat().st_size:
                return False
            file.seek(behind)
            head = file.read(2 + LONGEST_SIZE)
            inner = next((number for number in INNER if head.startswith(number)), None)
            if inner is None or len(head) == len(inner):
                return not head or head.startswith(OUTER)
            length = _size_bytes(head[len(inner)])
            behind += len(inner) + length + _size(head[len(inner) :][:length])
    return True


def _size(coded: bytes) -> int:
    return int.from_bytes(coded, "big") & ((1 << 7 * len(coded)) - 1)


def _size_bytes(first: int) -> int:
    """Say how long an element's size is: the leading zeros of its first byte tell."""
    return LONGEST_SIZE + 1 - first.bit_length()

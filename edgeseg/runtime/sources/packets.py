"""Read the packets of a container's pictures, past places that cannot be read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edgeseg.runtime.sources.matroska import whole_packets
from edgeseg.runtime.sources.timeline import ECHO_FRAMES, jumps

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

MAX_FAILED_READS = 100  # in a row
# Codecs of which each packet is to give a picture, or both fields of one, but for what `is_shown` tells.
ONE_PICTURE = frozenset(
    "av1 dnxhd ffv1 h264 hevc mjpeg mpeg1video mpeg2video mpeg4 prores vp8 vp9".split()  # noqa: SIM905
)
LARGEST_VOID = 19  # bytes of an MPEG-4 packet that may say only that the last picture stays
VP8_SHOWN = 0x10  # in the first byte
TIMED_OUT = 0.95  # of a timeout: where FFmpeg is interrupted, it may give a last packet, or another reason
LONGEST_LEAD = 1000  # packets before the first whole picture; behind them decoders are to do what they can


def read_packets(
    container: InputContainer,
    stream: VideoStream,
    on_failure: Callable[[], None],
    *,
    matroska: Path | None = None,
) -> Generator[Packet[VideoStream], None, None]:
    """Give the packets of a recording, and at last an empty one, which fetches what the decoder holds back.

    Another recording may be appended; see `_joined`.

    Args:
        on_failure: called where data is invalid; reading goes on behind it.
        matroska: a file of that format, whose reader passes over what it cannot read without a word;
            `on_failure` is called there, too.
    """
    from av.error import FFmpegError

    failures = 0
    while failures < MAX_FAILED_READS:
        try:
            if matroska is None:
                packets = _joined(container.demux(stream), stream)
            else:
                packets = whole_packets(container, stream, on_failure, matroska)
            for packet in packets:
                failures = 0
                yield packet
            return
        except IndexError:  # noqa: PERF203 - PyAV's, at the end, where streams turned up on the way
            return
        except FFmpegError:
            failures += 1
            on_failure()


def live_packets(
    container: InputContainer,
    stream: VideoStream,
    on_failure: Callable[[], None],
    on_break: Callable[[str], None],
    *,
    silence_s: float,
) -> Generator[Packet[VideoStream], None, None]:
    """Give the packets of a live stream until its connection ends.

    Args:
        on_failure: called where data is invalid; reading goes on behind it.
        on_break: called with the reason where the connection breaks off, or the stream is silent.
        silence_s: for how long it may be.
    """
    from av.error import FFmpegError

    failures = 0
    asked_s = time.monotonic()
    while failures < MAX_FAILED_READS:
        try:
            for packet in container.demux():  # of all streams, so that sound alone does not keep it waiting
                silent_s = time.monotonic() - asked_s
                if packet.stream is stream:
                    failures = 0
                    yield cast("Packet[VideoStream]", packet)
                    asked_s = time.monotonic()
                if silent_s >= TIMED_OUT * silence_s:
                    on_break(f"nothing came for {silent_s:.1f} s")
                    return
            return
        except IndexError:  # noqa: PERF203 - PyAV's, at the end, where streams turned up on the way
            return
        except FFmpegError as error:
            silent_s = time.monotonic() - asked_s
            if silent_s >= TIMED_OUT * silence_s:
                on_break(f"nothing came for {silent_s:.1f} s")
                return
            if not isinstance(error, ValueError):
                on_break(reason_of(error))
                return
            failures += 1
            on_failure()


def reason_of(error: Exception) -> str:
    """Give FFmpeg's reason without the address, which its message holds."""
    return getattr(error, "strerror", None) or type(error).__name__


def _joined(packets: Iterator[Packet[VideoStream]], stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Call the last packets sound behind which another recording is appended.

    The container suspects one of them, because its count of packets does not go on.
    """
    held: deque[Packet[VideoStream]] = deque()
    tick_s = float(stream.time_base or 0)
    try:
        for packet in packets:
            if held and packet.size and jumps(held[-1].dts, packet.dts, tick_s):
                for before in held:
                    before.is_corrupt = False
            held.append(packet)
            if len(held) > ECHO_FRAMES:
                yield held.popleft()
    except Exception:  # what was read before the failure is there
        yield from held
        raise
    yield from held


def is_shown(packet: Packet[VideoStream], codec: str) -> bool:
    """Tell whether a packet is to give a picture; False where that is not clear."""
    if codec == "vp8":
        return bool(memoryview(packet)[0] & VP8_SHOWN)
    return not packet.is_discard and not (codec == "mpeg4" and packet.size <= LARGEST_VOID)


class Lead:
    """Which packets need pictures from before the source's beginning: cut out of another, it is not damaged.

    Args:
        begun: each picture stands alone, so that there is no lead.
    """

    def __init__(self, *, begun: bool) -> None:
        self._begun = begun
        self._length = 0
        self._begins_at: int | None = None  # when the first whole picture is shown

    def has(self, stamp: int | None, *, is_keyframe: bool) -> bool:
        """Tell whether the next packet, shown at `stamp`, is one of them."""
        if not self._begun:
            self._begun = is_keyframe or self._length >= LONGEST_LEAD
            self._begins_at = stamp if is_keyframe else None
            self._length += 1
            return not self._begun
        if is_keyframe:
            self._begins_at = None
        return stamp is not None and self._begins_at is not None and stamp < self._begins_at

"""Decode the pictures of a container, and put each on the timeline of those that it holds."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.runtime.sources.container import (
    MATROSKA,
    TRANSPORT_STREAM,
    formats,
    has_own_times,
    listed_packets,
    telling_gaps,
)
from edgeseg.runtime.sources.matroska import first_cluster
from edgeseg.runtime.sources.mpegts import CONTEXT, TransportStream
from edgeseg.runtime.sources.packets import ONE_PICTURE, Lead, is_shown, live_packets, read_packets
from edgeseg.runtime.sources.patience import Patience
from edgeseg.runtime.sources.timeline import Gaps, Timeline, jumps

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_BAD_FRAMES = 1000  # in a row, of a live source: cameras send a whole picture each ten seconds or oftener


class Pictures:
    """The pictures of one stream, in order of presentation, sound and damaged. One thread at a time.

    Args:
        fps: its nominal rate, None where it is unknown.
        silence_s: for how long a live source may be silent; None for a recording.
        path: the file that it is, None for what comes over a network.

    Attributes:
        tick: seconds of one unit of the timestamps.
        timeline: where the pictures stand, and what is lost.
        patience: with a live source.
        interlaced: of the last picture.
        stopped: may be set by another thread; nothing more is read then.
        clock_jumps: how often the timestamps of packets fell behind, or ran ahead by seconds.
        jumped_by_s: how far they did last.
        broken_by: what broke a live source's connection off, empty where it was closed in order.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        fps: float | None,
        silence_s: float | None,
        path: Path | None,
    ) -> None:
        self.tick = stream.time_base or Fraction(1, 1000)
        self.patience = Patience(MAX_BAD_FRAMES)
        self.interlaced = False
        self.stopped = False
        self.clock_jumps = 0
        self.jumped_by_s = 0.0
        self._dts: int | None = None  # of the last packet
        self.broken_by = ""
        self._live = silence_s is not None
        self._passable = self._live and stream.codec_context.codec.intra_only
        self._codec = stream.codec_context.codec.canonical_name
        self._own_times = has_own_times(container, stream)
        gaps = telling_gaps(container, live=self._live)
        is_transport = path is not None and TRANSPORT_STREAM in formats(container)
        self._transport = TransportStream(path, stream.id) if path is not None and is_transport else None
        self.timeline = Timeline(
            float(self.tick),
            float(1 / fps / self.tick) if fps else None,
            gaps=gaps,
            each_shown=self._codec in ONE_PICTURE,
            own_times=self._own_times,
            is_broken=None if self._transport is None else self._transport.is_broken,
        )
        self._lead = Lead(begun=stream.codec_context.codec.intra_only)
        self._matroska = path if MATROSKA in formats(container) else None
        self._packets = (
            read_packets(container, stream, self._bear_break, matroska=self._matroska)
            if silence_s is None
            else live_packets(container, stream, self._bear_break, self._note_break, silence_s=silence_s)
        )
        self._ahead: deque[Packet[VideoStream]] = deque()  # announced, not yet decoded
        self._begins_whole = gaps is Gaps.NEVER  # with a keyframe
        self._most_ahead = 1 if self._transport is None else CONTEXT
        self._unread = listed_packets(container, stream)
        self._decoded: deque[VideoFrame] = deque()

    def next(self) -> VideoFrame | None:
        """Decode up to the next picture; None at the end, once stopped, or when patience is exhausted."""
        while not self.stopped and not (self._live and self.patience.exhausted):
            if self._decoded:
                return self._decoded.popleft()
            if (packet := self._next_packet()) is None:
                return None
            self._decoded.extend(self._decode(packet))
        return None

    def pass_over(self) -> bool:
        """Pass over the next picture undecoded; False at the end, or where it must be decoded.

        It must where others need it, and in a recording, whose damage is counted.
        """
        if not self._passable or self._decoded or self.stopped or self.patience.exhausted:
            return False
        packet = self._next_packet()
        if packet is None or not packet.size:
            return False
        self.timeline.place(packet.pts if packet.pts is not None else packet.dts, damaged=packet.is_corrupt)
        return True

    def pass_by(self, packets: int) -> None:
        """Take note that so many of the packets that the container lists will not be read."""
        self._unread -= packets

    def put_back(self, picture: VideoFrame) -> None:
        """Have `next` return a picture once more."""
        self._decoded.appendleft(picture)

    def place(self, picture: VideoFrame) -> tuple[int | None, int | None]:
        """Give the position of a picture, None where it counts as lost, and its timestamp in ticks."""
        stamp = self.timeline.time_of(picture.pts if picture.pts is not None else picture.dts)
        self.interlaced = picture.interlaced_frame
        index = self.timeline.place(stamp, damaged=picture.is_corrupt, interlaced=self.interlaced)
        return index, stamp

    def end(self, stated_end_s: float | None) -> None:
        """Count what never came out, up to when a recording should end."""
        breaks_off = self._unread > 0 or self.timeline.breaks_off
        end = None if stated_end_s is None or not breaks_off else round(stated_end_s / self.tick)
        self.timeline.end(interlaced=self.interlaced, stated_end=end)

    def close(self) -> None:
        """Let go of the container, which its owner closes."""
        self.stopped = True
        self._packets.close()
        self._decoded.clear()

    def _next_packet(self) -> Packet[VideoStream] | None:
        """Return the next packet to decode, and announce those behind it."""
        while len(self._ahead) < self._most_ahead and (packet := next(self._packets, None)) is not None:
            if not packet.size or self._announce(packet):
                self._ahead.append(packet)
        return self._ahead.popleft() if self._ahead else None

    def _announce(self, packet: Packet[VideoStream]) -> bool:
        """Put a packet on the timeline; False where it is not to be decoded."""
        self._unread -= 1
        # FFmpeg does not call it a keyframe if it is damaged.
        is_first = self._begins_whole and self.timeline.latest is None
        dts = packet.dts if packet.dts is not None else packet.pts
        self._follow_clock(dts)
        shift = self.timeline.shift(dts, packet.pts, is_keyframe=packet.is_keyframe)
        packet.pts = None if packet.pts is None else packet.pts + shift
        packet.dts = None if packet.dts is None else packet.dts + shift
        stamp = packet.pts if packet.pts is not None and self._own_times else packet.dts
        if self._lead.has(stamp, is_keyframe=packet.is_keyframe or is_first):
            return False
        if is_shown(packet, self._codec):
            self.timeline.announce(stamp, damaged=packet.is_corrupt)
        if self._transport is not None:
            self._transport.note(packet.pos, stamp)
        return True

    def _follow_clock(self, dts: int | None) -> None:
        if jumps(self._dts, dts, float(self.tick)) and dts is not None and self._dts is not None:
            self.clock_jumps += 1
            self.jumped_by_s = float((dts - self._dts) * self.tick)
        self._dts = dts

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        from av.error import FFmpegError

        try:
            return packet.decode()  # an empty one, the last, fetches what the decoder still holds
        except (FFmpegError, ValueError):
            self._bear()
            return []

    def _bear(self) -> None:
        self.timeline.complain()
        self.patience.bad()

    def _bear_break(self) -> None:
        """Take note that the container could not be read here."""
        begins = self.timeline.latest is None
        if begins and self._matroska is not None and (cluster := first_cluster(self._matroska)):
            self.timeline.begin(cluster[1])
        self._bear()
        self.timeline.interrupt()

    def _note_break(self, reason: str) -> None:
        self.broken_by = reason

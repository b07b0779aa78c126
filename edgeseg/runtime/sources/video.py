"""Read frames by PyAV from what FFmpeg opens: video files and network streams."""

from __future__ import annotations

import threading
import time
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.errors import SourceError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.address import without_password
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.budget import check_pixels
from edgeseg.runtime.sources.container import (
    CLOCKLESS,
    MATROSKA,
    TRANSPORT_STREAM,
    formats,
    frame_count,
    has_own_times,
    listed_packets,
    open_container,
    orientation,
    stated_end_s,
    telling_gaps,
)
from edgeseg.runtime.sources.matroska import first_cluster
from edgeseg.runtime.sources.mpegts import CONTEXT, TransportStream
from edgeseg.runtime.sources.packets import ONE_PICTURE, Lead, is_shown, read_packets
from edgeseg.runtime.sources.patience import Patience
from edgeseg.runtime.sources.timeline import Gaps, Timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CLOSE_TIMEOUT_S = 1.0  # a reader blocked longer than this closes the container itself when it wakes
MAX_BAD_FRAMES = 1000  # in a row, of a live source: cameras send a whole picture each ten seconds or oftener
PLAUSIBLE_FPS = (0.01, 1000.0)  # containers that do not know say 0 or 90000
SHORTFALL_INTERVALS = 2.5  # a recording that ends so many (of its longest) intervals early breaks off


class VideoSource(Source):
    """Frames of a video file or a network stream, turned upright, with their presentation times.

    A recording that breaks off, or has damaged frames, says so on `skipped` and gives all that is sound.
    Pictures that FFmpeg calls corrupt, concealed as they may be, count as damaged. One thread reads; any
    thread may close.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        name: str,
        *,
        live: bool,
        path: Path | None = None,
    ) -> None:
        from av.video.reformatter import VideoReformatter

        super().__init__()
        self.name = name
        self.live = live
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self.fps = rate if PLAUSIBLE_FPS[0] <= rate <= PLAUSIBLE_FPS[1] else None
        self.frame_count = None if live else frame_count(container, stream, self.fps)
        self.has_sound = bool(container.streams.audio)
        if stream.sample_aspect_ratio:
            self.pixel_aspect = stream.sample_aspect_ratio
        self._container = container
        self._stream = stream
        self._tick = stream.time_base or Fraction(1, 1000)
        self._has_clock = not formats(container) & CLOCKLESS
        self._end_s = None if live else stated_end_s(container, stream)
        self._codec = stream.codec_context.codec.canonical_name
        gaps = telling_gaps(container, live=live)
        is_transport = path is not None and TRANSPORT_STREAM in formats(container)
        self._transport = TransportStream(path, stream.id) if path is not None and is_transport else None
        self._own_times = has_own_times(container, stream)
        self._timeline = Timeline(
            float(self._tick),
            float(1 / self.fps / self._tick) if self.fps else None,
            gaps=gaps,
            each_shown=self._codec in ONE_PICTURE,
            own_times=self._own_times,
            is_broken=None if self._transport is None else self._transport.is_broken,
        )
        self._patience = Patience(MAX_BAD_FRAMES)
        self._lead = Lead(begun=stream.codec_context.codec.intra_only)
        self._matroska = path if MATROSKA in formats(container) else None
        self._packets = read_packets(
            container, stream, self._bear_break, look_ahead=not live, matroska=self._matroska
        )
        self._ahead: deque[Packet[VideoStream]] = deque()  # announced, not yet decoded
        self._begins_whole = gaps is Gaps.NEVER  # with a keyframe
        self._most_ahead = 1 if self._transport is None else CONTEXT
        self._unread = listed_packets(container, stream)
        self._reformatter = VideoReformatter()  # kept, since making one takes as long as a small frame
        self._decoded: deque[VideoFrame] = deque()
        self._lock = threading.Lock()  # containers are not thread-safe
        self._ended = False
        self._shown_s: float | None = None  # media time of the last frame
        self._longest_s = 1 / self.fps if self.fps else 0.0  # between two frames
        self._interlaced = False
        self._runs_back = False  # the media time; noted
        self._damage_at: int | None = None  # the place of its line on `skipped`

    @classmethod
    def file(cls, path: Path, form: str | None = None) -> VideoSource:
        """A video file.

        Args:
            form: FFmpeg's name of its format, None for finding out.

        Raises:
            SourceError: if FFmpeg cannot read it, or its frames have more pixels than the limit.
        """
        try:
            path.open("rb").close()
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        source = cls._open(
            f"file:{path}",
            str(path),
            f"{path} is damaged or not a video that FFmpeg can read; try: ffmpeg -i {path} repaired.mp4",
            live=False,
            path=path,
            form=form,
        )
        source.files = [path]
        source._turn_pixels()
        return source

    def _turn_pixels(self) -> None:
        """Find out whether pixels that are not square will lie on their side; the first picture tells."""
        if self.pixel_aspect == 1 or (picture := self._next_picture()) is None:
            return
        self._decoded.appendleft(picture)
        if orientation(picture).transposed:
            self.pixel_aspect = 1 / self.pixel_aspect

    @classmethod
    def url(cls, url: str) -> VideoSource:
        """A network stream, or a recording on a web server (not live). Raises SourceError if it fails."""
        name = without_password(url)
        failure = f"cannot open {name}; check the address, user name and password, and that the camera is on"
        return cls._open(url, name, failure, live=None)

    @classmethod
    def _open(
        cls,
        place: str,
        name: str,
        failure: str,
        *,
        live: bool | None,
        path: Path | None = None,
        form: str | None = None,
    ) -> VideoSource:
        """Open a container; None for `live` stands for finding out."""
        container, stream, live = open_container(place, name, failure, live=live, form=form)
        try:
            return cls(container, stream, name, live=live, path=path)
        except BaseException:
            container.close()
            raise

    def read(self) -> Frame | None:
        """Return the next frame; see `Source.read`. `time_s` of a live frame is when it was decoded."""
        with self._lock:
            started_s = time.monotonic()
            found = self._next_sound()
            if found is None:
                return None
            picture, index, media_s = found
            time_s = time.monotonic() if self.live else started_s
            coloured = self._reformatter.reformat(picture, format="bgr24", interpolation="BICUBIC")
            image = np.asarray(coloured.to_ndarray(), np.uint8)
            return Frame(orientation(picture).apply(image), index, time_s, media_s=media_s)

    def skip(self) -> bool:
        """Pass over the next frame without converting it."""
        with self._lock:
            return self._next_sound() is not None

    def close(self) -> None:
        """Close the container now, or as soon as a blocked reader wakes."""
        self.closed = True
        if self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
            self._release()
            self._lock.release()

    def _release(self) -> None:
        self._ended = True
        self._packets.close()
        self._decoded.clear()
        self._container.close()

    def _next_sound(self) -> tuple[VideoFrame, int, float | None] | None:
        """Decode up to the next sound frame; None at the end, or once closed."""
        while (picture := self._next_picture()) is not None:
            stamp = self._timeline.time_of(picture.pts if picture.pts is not None else picture.dts)
            self._interlaced = picture.interlaced_frame
            index = self._timeline.place(stamp, damaged=picture.is_corrupt, interlaced=self._interlaced)
            media_s = self._media_s(stamp)
            self._note_lost()
            if index is not None:
                self._follow_time(media_s)
            if index is None:
                self._patience.bad()
                continue
            self._patience.sound()
            check_pixels(self.name, picture.width, picture.height)  # it may change on the way
            return picture, index, media_s
        if self.closed:  # perhaps while this thread was blocked
            self._release()
        elif not self._ended:
            self._ended = True
            self._note_end()
        return None

    def _next_picture(self) -> VideoFrame | None:
        while not self.closed and not (self.live and self._patience.exhausted):
            if self._decoded:
                return self._decoded.popleft()
            if self._ended or (packet := self._next_packet()) is None:
                return None
            self._decoded.extend(self._decode(packet))
        return None

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
        is_first = self._begins_whole and self._timeline.latest is None
        dts = packet.dts if packet.dts is not None else packet.pts
        shift = self._timeline.shift(dts, packet.pts, is_keyframe=packet.is_keyframe)
        packet.pts = None if packet.pts is None else packet.pts + shift
        packet.dts = None if packet.dts is None else packet.dts + shift
        stamp = packet.pts if packet.pts is not None and self._own_times else packet.dts
        if self._lead.has(stamp, is_keyframe=packet.is_keyframe or is_first):
            return False
        if is_shown(packet, self._codec):
            self._timeline.announce(stamp, damaged=packet.is_corrupt)
        if self._transport is not None:
            self._transport.note(packet.pos, stamp)
        return True

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        from av.error import FFmpegError

        try:
            return packet.decode()  # an empty one, the last, fetches what the decoder still holds
        except (FFmpegError, ValueError):
            self._bear()
            return []

    def _bear(self) -> None:
        self._timeline.complain()
        self._patience.bad()

    def _bear_break(self) -> None:
        """Take note that the container could not be read here."""
        begins = self._timeline.latest is None
        if begins and self._matroska is not None and (cluster := first_cluster(self._matroska)):
            self._timeline.begin(cluster[1])
        self._bear()
        self._timeline.interrupt()

    def _media_s(self, stamp: int | None) -> float | None:
        return None if stamp is None or not self._has_clock else float(stamp * self._tick)

    def _follow_time(self, media_s: float | None) -> None:
        """Keep the time of the last frame and the longest interval, by which a missing rest is told."""
        if media_s is None:
            return
        if self._shown_s is not None:
            self._longest_s = max(self._longest_s, media_s - self._shown_s)
            if media_s < self._shown_s and not self._runs_back:
                self._runs_back = True
                self.notes.append(f"the times in {self.name} run backwards, first at {self._shown_s:.2f} s")
        self._shown_s = media_s

    def _note_lost(self) -> None:
        """Bring `bad_frames`, and the line about them, up to date."""
        if self._timeline.lost == self.bad_frames:
            return
        self.bad_frames = self._timeline.lost
        if self.live or self._timeline.first_lost is None:
            return
        if self._damage_at is None:
            self._damage_at = len(self.skipped)
            self.skipped.append("")
        index, stamp = self._timeline.first_lost
        media_s = self._media_s(stamp)
        when = f"frame {index}" if media_s is None else f"{media_s:.2f} s"
        damaged = "frame is" if self.bad_frames == 1 else "frames are"
        self.skipped[self._damage_at] = (
            f"{self.bad_frames} {damaged} damaged or missing in {self.name}, the first at {when}"
        )

    def _note_end(self) -> None:
        breaks_off = self._unread > 0 or self._timeline.breaks_off
        end = None if self._end_s is None or not breaks_off else round(self._end_s / self._tick)
        self._timeline.end(interlaced=self._interlaced, stated_end=end)
        self._note_lost()
        if self.live:
            if self._patience.exhausted:
                self.skipped.append(f"{self.name}: {self._patience.complaint}")
            return
        if self._end_s is None or self._shown_s is None:
            return
        if self._end_s - self._shown_s > SHORTFALL_INTERVALS * self._longest_s:
            self.skipped.append(
                f"{self.name} breaks off at {self._shown_s:.2f} s of {self._end_s:.2f} s: "
                "the rest is missing or damaged"
            )

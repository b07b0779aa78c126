"""Turn what FFmpeg opens, by PyAV, into frames: video files and network streams."""

from __future__ import annotations

import threading
import time
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeseg import limits
from edgeseg.errors import SourceError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.address import without_password
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.budget import check_pixels
from edgeseg.runtime.sources.container import frame_count, orientation, picture_stream, stated_end_s
from edgeseg.runtime.sources.packets import Lead, read_packets
from edgeseg.runtime.sources.patience import Patience
from edgeseg.runtime.sources.timeline import Timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

OPEN_TIMEOUT_S = 10.0  # of network streams; FFmpeg alone waits for ever
READ_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0  # a reader blocked longer than this closes the container itself when it wakes
NETWORK_OPTIONS = {"rtsp_transport": "tcp"}  # UDP loses what a busy network drops
DECODING_THREADS = 2
MAX_BAD_FRAMES = 1000  # in a row, of a live source: cameras send a whole picture each ten seconds or oftener
PLAUSIBLE_FPS = (0.01, 1000.0)  # containers that do not know say 0 or 90000
CODED_SHARE, CODED_MARGIN = 2, 1 << 16  # pixels of the coded size, which is padded, for each that is shown
# Formats without times, for which FFmpeg makes some up.
CLOCKLESS = frozenset(("mjpeg", "mpjpeg", "jpeg_pipe", "h264", "hevc", "m4v", "mpegvideo"))
COMPLETE = frozenset(("mov", "avi"))  # containers whose index lists every frame
SHORTFALL_INTERVALS = 2.5  # a recording that ends so many (of its longest) intervals early breaks off


class VideoSource(Source):
    """Frames of a video file or a network stream, turned upright, with their presentation times.

    A recording that breaks off, or has damaged frames, says so on `skipped` and gives all that is sound.
    Pictures that FFmpeg calls corrupt, concealed as they may be, count as damaged. One thread reads; any
    thread may close.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, name: str, *, live: bool) -> None:
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
        self._has_clock = CLOCKLESS.isdisjoint(container.format.name.split(","))
        self._end_s = None if live else stated_end_s(container, stream)
        self._timeline = Timeline(
            float(self._tick),
            round(1 / self.fps / self._tick) if self.fps else None,
            complete=not COMPLETE.isdisjoint(container.format.name.split(",")),
        )
        self._patience = Patience(MAX_BAD_FRAMES)
        self._lead = Lead(begun=stream.codec_context.codec.intra_only)
        self._packets = read_packets(container, stream, self._bear, look_ahead=not live)
        self._reformatter = VideoReformatter()  # kept, since making one takes as long as a small frame
        self._decoded: deque[VideoFrame] = deque()
        self._lock = threading.Lock()  # containers are not thread-safe
        self._ended = False
        self._shown_s: float | None = None  # media time of the last frame
        self._longest_s = 1 / self.fps if self.fps else 0.0  # between two frames
        self._damage: tuple[int, str] | None = None  # the place of its line on `skipped`, and when it began

    @classmethod
    def file(cls, path: Path) -> VideoSource:
        """A video file.

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
    def _open(cls, place: str, name: str, failure: str, *, live: bool | None) -> VideoSource:
        """Open a container; None for `live` stands for finding out."""
        import av
        from av.error import FFmpegError

        most = limits.current().pixels
        bounds = {"max_pixels": str(CODED_SHARE * most + CODED_MARGIN)}
        timeout = None if live is False else (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
        options = bounds if live is False else {**bounds, **NETWORK_OPTIONS}
        try:
            container = av.open(place, mode="r", timeout=timeout, options=options, metadata_errors="replace")
        except (FFmpegError, OSError, ValueError) as error:
            raise SourceError(failure) from error
        try:
            stream = picture_stream(container, failure)
            if not stream.width or not stream.height:  # FFmpeg reads no size from a frame beyond `bounds`
                raise SourceError(
                    f"{name} is damaged, or its frames have far more than {most} pixels; "
                    "where that is right, raise the limit: edgeseg --limit pixels=1G COMMAND"
                )
            check_pixels(name, stream.width, stream.height)
            live = container.duration is None or container.duration <= 0 if live is None else live
            context = stream.codec_context
            # Threads that take a frame each hold all but one of them back. A recording does not mind one; of
            # more, damage among the last would cost the sound ones, since PyAV fetches these at a stroke.
            stream.thread_type = "SLICE" if live else "AUTO"
            context.thread_count = DECODING_THREADS
            # Where each picture stands alone, a decoder that goes on after an error shows half a picture.
            explode = {"err_detect": "explode"} if context.codec.intra_only else {}
            context.options = {**bounds, **explode}
            return cls(container, stream, name, live=live)
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
            stamp = picture.pts if picture.pts is not None else picture.dts
            index = self._timeline.place(stamp, damaged=picture.is_corrupt)
            media_s = None if stamp is None or not self._has_clock else float(stamp * self._tick)
            self._note_lost(media_s)
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
            if self._ended or (packet := next(self._packets, None)) is None:
                return None
            self._decoded.extend(self._decode(packet))
        return None

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        from av.error import FFmpegError

        if packet.size:  # the last one is empty, and fetches what the decoder still holds
            shift = self._timeline.shift(packet.dts if packet.dts is not None else packet.pts)
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
            stamp = packet.pts if packet.pts is not None else packet.dts
            if self._lead.has(stamp, is_keyframe=packet.is_keyframe):
                return []
            if not packet.is_discard:
                self._timeline.announce(stamp, damaged=packet.is_corrupt)
        try:
            return packet.decode()
        except (FFmpegError, ValueError):
            self._bear()
            return []

    def _bear(self) -> None:
        self._timeline.complain()
        self._patience.bad()

    def _follow_time(self, media_s: float | None) -> None:
        """Keep the time of the last frame and the longest interval, by which a missing rest is told."""
        if media_s is None:
            return
        if self._shown_s is not None:
            self._longest_s = max(self._longest_s, media_s - self._shown_s)
        self._shown_s = media_s

    def _note_lost(self, media_s: float | None) -> None:
        """Bring `bad_frames`, and the line about them, up to date."""
        if self._timeline.lost == self.bad_frames:
            return
        self.bad_frames = self._timeline.lost
        if self.live:
            return
        if self._damage is None:
            when = "" if media_s is None else f", the first near {media_s:.2f} s"
            self._damage = (len(self.skipped), when)
            self.skipped.append("")
        at, when = self._damage
        damaged = "frame is" if self.bad_frames == 1 else "frames are"
        self.skipped[at] = f"{self.bad_frames} {damaged} damaged or missing in {self.name}{when}"

    def _note_end(self) -> None:
        self._timeline.end()
        self._note_lost(self._shown_s)
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

"""Read frames by PyAV from what FFmpeg opens: video files and network streams."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.errors import SourceError
from edgeseg.extras import require
from edgeseg.opencv import EXTRA
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.budget import check_pixels
from edgeseg.runtime.sources.container import (
    CLOCKLESS,
    formats,
    frame_count,
    open_container,
    orientation,
    stated_end_s,
)
from edgeseg.runtime.sources.network import Address, open_stream
from edgeseg.runtime.sources.pictures import Pictures

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CLOSE_TIMEOUT_S = 1.0  # a reader blocked longer than this closes the container itself when it wakes
PLAUSIBLE_FPS = (0.01, 1000.0)  # containers that do not know say 0 or 90000
SHORTFALL_INTERVALS = 2.5  # a recording that ends so many (of its longest) intervals early breaks off


class VideoSource(Source):
    """Frames of a video file or a network stream, turned upright, with their presentation times.

    A recording that breaks off, or has damaged frames, says so on `skipped` and gives all that is sound.
    Pictures that FFmpeg calls corrupt, concealed as they may be, count as damaged. One thread reads; any
    thread may close.

    Args:
        silence_s: for how long a live source may be silent; None for a recording.
        path: the file that it is, None for what comes over a network.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        name: str,
        *,
        silence_s: float | None = None,
        path: Path | None = None,
    ) -> None:
        from av.video.reformatter import VideoReformatter

        super().__init__()
        self.name = name
        self.live = live = silence_s is not None
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self._has_clock = not formats(container) & CLOCKLESS
        is_made_up = live and not self._has_clock
        self.fps = rate if PLAUSIBLE_FPS[0] <= rate <= PLAUSIBLE_FPS[1] and not is_made_up else None
        self.frame_count = None if live else frame_count(container, stream, self.fps)
        self.has_sound = bool(container.streams.audio)
        if stream.sample_aspect_ratio:
            self.pixel_aspect = stream.sample_aspect_ratio
        self._container = container
        self._end_s = None if live else stated_end_s(container, stream)
        self._pictures = Pictures(container, stream, fps=self.fps, silence_s=silence_s, path=path)
        self._reformatter = VideoReformatter()  # kept, since making one takes as long as a small frame
        self._lock = threading.Lock()  # containers are not thread-safe
        self._ended = False
        self._shown_s: float | None = None  # media time of the last frame
        self._longest_s = 1 / self.fps if self.fps else 0.0  # between two frames
        self._size_wh: tuple[int, int] | None = None  # of the last picture
        self._resized = 0  # times
        self._runs_back = False  # the media time; noted
        self._damage_at: int | None = None  # the place of its line on `skipped`
        self._notes_at: dict[str, int] = {}  # the places of lines on `notes` that change

    @classmethod
    def file(
        cls, path: Path, form: str | None = None, *, begin: int | None = None, passed: int = 0
    ) -> VideoSource:
        """A video file.

        Args:
            form: FFmpeg's name of its format, None for finding out.
            begin: the timestamp of a key frame, in ticks, to begin with, or with one before it.
            passed: how many packets of a container that lists them are before that.

        Raises:
            SourceError: if FFmpeg cannot read it, or its frames have more pixels than the limit.
            MissingExtraError: if PyAV is not installed.
        """
        require("av", EXTRA)
        from av.error import FFmpegError

        try:
            path.open("rb").close()
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        failure = SourceError(
            f"{path} is damaged or not a video that FFmpeg can read; try: ffmpeg -i {path} repaired.mp4"
        )
        try:
            opened = open_container(f"file:{path}", str(path), failure, form=form)
        except (FFmpegError, OSError, ValueError) as error:
            raise failure from error
        container, stream, _ = opened
        source = cls._of(container, stream, str(path), path=path)
        source.files = [path]
        if begin is not None:
            container.seek(begin, stream=stream)
            source._pictures.pass_by(passed)
        source._turn_pixels()
        return source

    @classmethod
    def url(cls, text: str) -> VideoSource:
        """A network stream, or a recording on a web server (not live), with its options; see `Address`.

        Raises:
            UsageError: if the address is wrong.
            SourceError: if it cannot be read; see `open_stream`.
        """
        address = Address.parse(text)
        container, stream, live = open_stream(address)
        silence_s = address.options.read_timeout_s if live else None
        return cls._of(container, stream, address.name, silence_s=silence_s)

    @classmethod
    def _of(
        cls,
        container: InputContainer,
        stream: VideoStream,
        name: str,
        *,
        silence_s: float | None = None,
        path: Path | None = None,
    ) -> VideoSource:
        try:
            return cls(container, stream, name, silence_s=silence_s, path=path)
        except BaseException:
            container.close()
            raise

    def _turn_pixels(self) -> None:
        """Find out whether pixels that are not square will lie on their side; the first picture tells."""
        if self.pixel_aspect == 1 or (picture := self._pictures.next()) is None:
            return
        self._pictures.put_back(picture)
        if orientation(picture).transposed:
            self.pixel_aspect = 1 / self.pixel_aspect

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
        """Pass over the next frame without converting it, and undecoded where no other needs it."""
        with self._lock:
            if not self._ended and self._pictures.pass_over():
                self._note_lost()
                return True
            return self._next_sound() is not None

    def close(self) -> None:
        """Close the container now, or as soon as a blocked reader wakes, at the latest after its timeout."""
        self.closed = self._pictures.stopped = True
        if self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
            self._release()
            self._lock.release()

    def _release(self) -> None:
        self._ended = True
        self._pictures.close()
        self._container.close()

    def _next_sound(self) -> tuple[VideoFrame, int, float | None] | None:
        """Decode up to the next sound frame; None at the end, or once closed."""
        patience = self._pictures.patience
        while not self._ended and (picture := self._pictures.next()) is not None:
            index, stamp = self._pictures.place(picture)
            media_s = self._media_s(stamp)
            self._note_lost()
            if index is None:
                patience.bad()
                continue
            self._follow_time(media_s)
            patience.sound()
            check_pixels(self.name, picture.width, picture.height)  # it may change on the way
            self._follow_size(picture)
            self._follow_clock()
            return picture, index, media_s
        if self.closed:  # perhaps while this thread was blocked
            self._release()
        elif not self._ended:
            self._ended = True
            self._note_end()
        return None

    def _media_s(self, stamp: int | None) -> float | None:
        return None if stamp is None or not self._has_clock else float(stamp * self._pictures.tick)

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

    def _follow_size(self, picture: VideoFrame) -> None:
        """Take note of a size that changes on the way."""
        before, self._size_wh = self._size_wh, (picture.width, picture.height)
        if before not in (None, self._size_wh):
            self._resized += 1
            self._note(
                "size",
                f"the pictures of {self.name} changed size {_times(self._resized)}, now "
                f"{picture.width}x{picture.height} pixels",
            )

    def _follow_clock(self) -> None:
        """Take note of a camera's clock that is set while it sends."""
        if self.live and self._pictures.clock_jumps:
            jumps, by_s = self._pictures.clock_jumps, self._pictures.jumped_by_s
            self._note("clock", f"the clock of {self.name} jumped {_times(jumps)}, last by {by_s:+.1f} s")

    def _note(self, about: str, line: str) -> None:
        """Put a line on `notes`, in place of the last one about the same."""
        if about not in self._notes_at:
            self._notes_at[about] = len(self.notes)
            self.notes.append("")
        self.notes[self._notes_at[about]] = line

    def _note_lost(self) -> None:
        """Bring `bad_frames`, and the line about them, up to date."""
        if self._pictures.timeline.lost == self.bad_frames:
            return
        self.bad_frames = self._pictures.timeline.lost
        if self.live or self._pictures.timeline.first_lost is None:
            return
        if self._damage_at is None:
            self._damage_at = len(self.skipped)
            self.skipped.append("")
        index, stamp = self._pictures.timeline.first_lost
        media_s = self._media_s(stamp)
        when = f"frame {index}" if media_s is None else f"{media_s:.2f} s"
        damaged = "frame is" if self.bad_frames == 1 else "frames are"
        self.skipped[self._damage_at] = (
            f"{self.bad_frames} {damaged} damaged or missing in {self.name}, the first at {when}"
        )

    def _note_end(self) -> None:
        self._pictures.end(self._end_s)
        self._note_lost()
        if self.live:
            if self._pictures.patience.exhausted:
                self.skipped.append(f"{self.name}: {self._pictures.patience.complaint}")
            elif self._pictures.broken_by:
                self.skipped.append(f"{self.name} stopped sending: {self._pictures.broken_by}")
            return
        if self._end_s is None or self._shown_s is None:
            return
        if self._end_s - self._shown_s > SHORTFALL_INTERVALS * self._longest_s:
            self.skipped.append(
                f"{self.name} breaks off at {self._shown_s:.2f} s of {self._end_s:.2f} s: "
                "the rest is missing or damaged"
            )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

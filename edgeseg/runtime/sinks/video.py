"""Write overlays as an `.mp4` video."""

from __future__ import annotations

import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.extras import require
from edgeseg.files import Claim, check_writable
from edgeseg.frames.results import Result
from edgeseg.opencv import EXTRA
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.encoder import (
    CODECS,
    DEFAULT_FPS,
    FrameClock,
    VideoTiming,
    VideoWriter,
    open_video,
)

RESERVE_BYTES = 8 << 20  # stop while there is room for the index, without which an .mp4 cannot be read
# Each second or so is a fragment that can be read without those that follow. Closing adds the index of an
# ordinary .mp4, in place: nothing is copied, and players that know no fragments can seek.
OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+hybrid_fragmented",
    "flush_packets": "1",
}


class VideoSink(Sink):
    """An `.mp4` of the overlays, each shown from its own time on; H.264 where FFmpeg has the encoder.

    A frame's time is its media time, or what its index makes at the source's rate, or its capture time where
    the source is live; where frames were dropped the one before stays. The first frame fixes the size (odd
    sides grow by a pixel); later frames of another size are fitted into it between black bars. Sound is not
    carried over.

    The video begins beside its place and is moved there as soon as its first second can be read, or when it
    is closed: a process that is killed leaves a video there that lacks its last second or two. Closing reads
    it back: an encoder that failed without a word is a SinkError, and a video of which nothing can be read
    replaces none.

    Args:
        pixel_aspect: width of a pixel over its height, for players.

    Attributes:
        codec: name of FFmpeg's encoder, None before the first frame.
        lost: frames that cannot be read back.
    """

    needs_overlay = True

    def __init__(
        self,
        path: Path,
        *,
        fps: float | None = None,
        live: bool = False,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        require("av", EXTRA)  # takes some tenths of a second, in which a live source's first frames would go

        self.path = path
        self.codec: str | None = None
        self._timing = VideoTiming(fps or DEFAULT_FPS, live, pixel_aspect)
        self._clock = FrameClock(self._timing)
        self._writer: VideoWriter | None = None
        self._claim = Claim(path)
        self._staged = self._claim.staging()
        self._in_place = False
        for file in (path, self._staged):  # FFmpeg would say only that it failed; this says why
            check_writable(file)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Encode one frame; see `Sink.write`."""
        if overlay is None:
            raise ValueError("VideoSink.write needs the overlay")
        if self._writer is None:
            self._writer = self._open(overlay)
        self._encode(self._writer, overlay, self._clock.ticks(frame))
        if not self._in_place and self._writer.keyframes > 1 and _count_frames(self._staged):
            with suppress(SinkError):  # a system may not move what is open; closing tries again, and tells
                self._claim.put(self._staged)
                self._in_place = True

    def close(self) -> None:
        """Write the index, read the video back and move it to its place."""
        writer, self._writer = self._writer, None
        try:
            found = 0 if writer is None else self._finish(writer)
        finally:
            self._claim.release()
        if writer is not None and found < writer.written:
            self.lost = writer.written - found
            raise SinkError(
                f"cannot write {self.path}: {found} of {writer.written} frames can be read back; the disk "
                "may be full: make room or choose another -o"
            )

    def _open(self, overlay: NDArray[np.uint8]) -> VideoWriter:
        height, width = overlay.shape[:2]
        url, size_wh = f"file:{self._staged}", (width, height)
        writer = open_video(url, "mp4", size_wh, self._timing, codecs=CODECS, options=OPTIONS)
        if writer is None:
            self._staged.unlink(missing_ok=True)
            raise SinkError(
                f"FFmpeg cannot encode {width}x{height} pixels as {self.path}; write .jsonl or a folder, or "
                "use smaller frames"
            )
        self.codec = writer.codec
        return writer

    def _encode(self, writer: VideoWriter, overlay: NDArray[np.uint8], ticks: int) -> None:
        from av.error import FFmpegError

        if shutil.disk_usage(self._staged.parent).free < RESERVE_BYTES:
            raise SinkError(
                f"the disk is full: {self.path} ends after {writer.written} frames; make room or "
                "choose another -o"
            )
        try:
            writer.write(overlay, ticks)
        except (FFmpegError, OSError) as error:
            raise SinkError(
                f"cannot write {self.path}: {error.strerror} after {writer.written} frames; make room or "
                "choose another -o"
            ) from error

    def _finish(self, writer: VideoWriter) -> int:
        """Move the video to its place if it can be read, and count its frames."""
        writer.close()
        found = _count_frames(self._claim.place if self._in_place else self._staged)
        if self._in_place:
            return found
        if found:
            self._claim.put(self._staged)
        else:
            self._staged.unlink(missing_ok=True)
        return found


def _count_frames(path: Path) -> int:
    """Frames of a video whose first one decodes; 0 where it cannot be read."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(f"file:{path}") as container:
            next(container.decode(video=0))
            if (listed := container.streams.video[0].frames) > 0:
                return int(listed)
            container.seek(0)  # one without an index, that is still written or could not be finished
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (FFmpegError, OSError, ValueError, StopIteration, IndexError):
        return 0

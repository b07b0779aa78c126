"""Send overlays as video to where players watch: HLS in a folder, or a server of RTSP, RTMP, SRT or UDP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError, one_line
from edgeseg.extras import require
from edgeseg.files import Claim, check_writable
from edgeseg.frames.results import Result
from edgeseg.opencv import EXTRA
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.encoder import H264, FrameClock, VideoTiming, VideoWriter, open_video
from edgeseg.runtime.sources.address import without_password

SEGMENT_S = 2
LISTED_SEGMENTS = 6  # of a live playlist
PUSHED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "rtsp": ("rtsp", {"rtsp_transport": "tcp"}),
    "rtmp": ("flv", {}),
    "rtmps": ("flv", {}),
    "srt": ("mpegts", {}),
    "udp": ("mpegts", {}),
}
"""FFmpeg's container and its options, by the scheme of an address."""


class BroadcastSink(Sink):
    """Overlays as H.264, each at its own time. After a failure the next result connects, or begins, anew.

    Args:
        target: what FFmpeg opens.
        name: of the target, without passwords.

    Raises:
        MissingExtraError: if PyAV is not installed.
    """

    needs_overlay = True

    def __init__(
        self, target: str, name: str, container: str, options: Mapping[str, str], timing: VideoTiming
    ) -> None:
        require("av", EXTRA)
        self.path = Path(name)
        self._name = name
        self._target, self._container, self._options = target, container, options
        self._timing = timing
        self._clock = FrameClock(timing)
        self._writer: VideoWriter | None = None

    @property
    def name(self) -> str:
        """The address, without passwords."""
        return self._name

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Encode and send one frame; see `Sink.write`."""
        if overlay is None:
            raise ValueError("BroadcastSink.write needs the overlay")
        if failure := self._send(frame, overlay):
            self._abandon()
            raise SinkError(f"cannot send to {self._name}: {failure}")

    def close(self) -> None:
        """End the video."""
        self._abandon()

    def _send(self, frame: Frame, overlay: NDArray[np.uint8]) -> str:
        """Encode and send one frame; say why it failed, but not by FFmpeg's error: it holds the password."""
        from av.error import FFmpegError

        try:
            if self._writer is None:
                self._writer = self._open(overlay)
            self._writer.write(overlay, self._clock.ticks(frame))
        except (FFmpegError, OSError) as error:
            return one_line(error.strerror or "no answer")
        return ""

    def _open(self, overlay: NDArray[np.uint8]) -> VideoWriter:
        height, width = overlay.shape[:2]
        self._clock = FrameClock(self._timing)
        writer = open_video(
            self._target, self._container, (width, height), self._timing, codecs=H264, options=self._options
        )
        if writer is None:
            raise SinkError(
                f"FFmpeg cannot encode {width}x{height} pixels in H.264 for {self._name}; use smaller "
                "frames, or a PyAV that has libx264"
            )
        return writer

    def _abandon(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class HlsSink(BroadcastSink):
    """An HLS playlist with its segments beside it, `NAME-NUMBER.ts`, of two seconds each.

    That of a live source lists the last LISTED_SEGMENTS, and older ones are removed; that of a recording
    keeps all. With its first result a run removes the segments that the playlist of the run before lists.

    Raises:
        SinkError: if it cannot be written, or another run writes it.
    """

    def __init__(self, path: Path, timing: VideoTiming) -> None:
        self._claim = Claim(path)
        check_writable(path)
        flags = "independent_segments+temp_file+program_date_time"
        stem = path.stem.replace("%", "%%")
        options = {
            "hls_time": str(SEGMENT_S),
            "hls_list_size": str(LISTED_SEGMENTS if timing.live else 0),
            "hls_flags": f"{flags}+delete_segments" if timing.live else flags,
            "hls_start_number_source": "epoch",  # players keep segments by name: no two runs may share one
            "hls_segment_filename": str(path.with_name(f"{stem}-%d.ts")),
            **({} if timing.live else {"hls_playlist_type": "event"}),
        }
        super().__init__(str(path), str(path), "hls", options, timing)
        self.path = path
        self._is_begun = False

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Encode one frame; see `Sink.write`."""
        if not self._is_begun:
            self._remove_old_segments()
            self._is_begun = True
        super().write(frame, result, overlay)

    def close(self) -> None:
        """End the playlist."""
        try:
            super().close()
        finally:
            self._claim.release()

    def _remove_old_segments(self) -> None:
        own = re.compile(rf"{re.escape(self.path.stem)}-\d+\.ts")
        lines: list[str] = []
        with suppress(OSError):
            lines = self.path.read_text(errors="replace").splitlines()
        for line in lines:
            if own.fullmatch(line):
                with suppress(OSError):
                    self.path.with_name(line).unlink()


def open_push(address: str, timing: VideoTiming) -> BroadcastSink:
    """Open a sink that sends video to a server; its scheme is one of PUSHED."""
    container, options = PUSHED[address.partition("://")[0].lower()]
    return BroadcastSink(address, without_password(address), container, options, timing)

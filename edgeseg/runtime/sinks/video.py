"""Turn overlays into an `.mp4` video."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.files import Claim, check_writable
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.quiet import silence_opencv
from edgeseg.runtime.sinks.base import Result, Sink

CODECS = ("mp4v", "avc1")  # MPEG-4 part 2 is in every FFmpeg; H.264 only where the system brings an encoder
DEFAULT_FPS = 25.0  # for sources that have no rate of their own
RESERVE_BYTES = 8 << 20  # stop while there is room for the index, without which an .mp4 cannot be read
MAX_CATCH_UP_S = 5.0  # a live source that was silent for longer leaves a cut, not a still


class VideoSink(Sink):
    """An `.mp4` of the overlays at the source's rate.

    The video plays at the source's pace: a frame stands where its index puts it, or its capture time where
    the source is live; in place of dropped frames the one before stays. The first frame fixes the size (odd
    sides grow by a pixel); later frames of another size are fitted into it between black bars.

    The video is encoded beside its place and moved there when it is closed. Closing reads it back: an encoder
    that failed without a word is a SinkError, and a video of which nothing can be read replaces none.
    """

    needs_overlay = True

    def __init__(self, path: Path, *, fps: float | None = None, live: bool = False) -> None:
        silence_opencv()
        self.path = path
        self.codec: str | None = None
        self._fps = fps or DEFAULT_FPS
        self._live = live
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)
        self._last: NDArray[np.uint8] | None = None
        self._start = 0.0  # of the video: capture time or index, in frames
        self._written = 0
        self._claim = Claim(path)
        self._staged = self._claim.staging()
        for file in (path, self._staged):  # FFmpeg would say only that it failed; this says why
            check_writable(file)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Encode one frame; see `Sink.write`."""
        if overlay is None:
            raise ValueError("VideoSink.write needs the overlay")
        if self._writer is None:
            self._open(overlay)
            self._start = self._position(frame)
        picture = fit(overlay, self._size_wh)
        gap = round(self._position(frame) - self._start) - self._written
        if self._live and gap > MAX_CATCH_UP_S * self._fps:
            self._start += gap
            gap = 0
        if gap < 0:  # a camera faster than it says
            return
        if self._last is not None:
            for _ in range(gap):
                self._encode(self._last)
        self._encode(picture)
        self._last = picture

    def close(self) -> None:
        """Write the index, read the video back and move it to its place."""
        try:
            found = self._finish()
        finally:
            self._claim.release()
        if found < self._written:
            raise SinkError(
                f"cannot write {self.path}: {found} of {self._written} frames can be read back; the disk may "
                "be full: make room or choose another -o"
            )

    def _finish(self) -> int:
        """Move the video to its place if it can be read, and count its frames."""
        if self._writer is None:
            return self._written
        self._writer.release()
        self._writer = None
        found = _count_frames(self._staged)
        if found:
            self._claim.put(self._staged)
        else:
            self._staged.unlink(missing_ok=True)
        return found

    def _open(self, overlay: NDArray[np.uint8]) -> None:
        height, width = overlay.shape[:2]
        self._size_wh = (width + width % 2, height + height % 2)
        for codec in CODECS:
            fourcc = cv2.VideoWriter.fourcc(*codec)
            writer = cv2.VideoWriter(str(self._staged), fourcc, self._fps, self._size_wh)
            if writer.isOpened():
                self._writer, self.codec = writer, codec
                return
        self._staged.unlink(missing_ok=True)
        raise SinkError(
            f"OpenCV cannot encode {width}x{height} pixels at {self._fps:g} fps as {self.path}; "
            "write .jsonl or a folder, or use smaller frames"
        )

    def _position(self, frame: Frame) -> float:
        return frame.time_s * self._fps if self._live else frame.index

    def _encode(self, picture: NDArray[np.uint8]) -> None:
        assert self._writer is not None
        if shutil.disk_usage(self._staged.parent).free < RESERVE_BYTES:
            raise SinkError(
                f"the disk is full: {self.path} ends after {self._written} frames; make room or "
                "choose another -o"
            )
        if self._writer.write(picture) is False:  # OpenCV 4 returns None and says nothing
            raise SinkError(f"cannot write {self.path}: the encoder failed after {self._written} frames")
        self._written += 1


def fit(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring a picture (H, W, 3) to a size: one pixel more by repeating the edge, else scaled between bars."""
    height, width = picture.shape[:2]
    wide, high = size_wh
    if (width, height) == size_wh:
        return picture
    if 0 <= wide - width <= 1 and 0 <= high - height <= 1:
        grown = cv2.copyMakeBorder(picture, 0, high - height, 0, wide - width, cv2.BORDER_REPLICATE)
        return np.asarray(grown, np.uint8)
    scale = min(wide / width, high / height)
    inner_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (wide - inner_wh[0]) // 2, (high - inner_wh[1]) // 2
    canvas = np.zeros((high, wide, 3), np.uint8)
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    canvas[top : top + inner_wh[1], left : left + inner_wh[0]] = cv2.resize(
        picture, inner_wh, interpolation=method
    )
    return canvas


def _count_frames(path: Path) -> int:
    """Frames that the container lists and whose first one decodes; 0 where it cannot be read."""
    capture = cv2.VideoCapture(str(path))
    readable = capture.isOpened() and capture.grab()
    frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if readable else 0
    capture.release()
    return frames

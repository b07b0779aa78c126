"""Write overlays as an `.mp4` video."""

from __future__ import annotations

import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.files import Claim, check_writable
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Result, Sink

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# H.264 is what browsers play; MPEG-4 part 2 is in every FFmpeg. The fastest preset, in one thread: frames are
# encoded beside the network, which needs the processor more.
CODECS = {"libx264": {"preset": "ultrafast", "crf": "20"}, "mpeg4": {"qscale": "3"}}
TICKS = 60_000  # a second: common rates are whole numbers of them, and MPEG-4 part 2 takes no more than 65535
DEFAULT_FPS = 25.0  # for sources that have no rate of their own
RESERVE_BYTES = 8 << 20  # stop while there is room for the index, without which an .mp4 cannot be read
MAX_SILENCE_S = 5.0  # a live source that was silent for longer leaves a cut, not a still
HD_LINES = 720  # players take pictures of so many lines or more for BT.709, of fewer for BT.601
MATRICES = {True: ("ITU709", 1), False: ("ITU601", 6)}  # names of swscale, numbers of H.273; True: HD


class VideoSink(Sink):
    """An `.mp4` of the overlays, each shown from its own time on; H.264 where FFmpeg has the encoder.

    A frame's time is its media time, or what its index makes at the source's rate, or its capture time where
    the source is live; where frames were dropped the one before stays. The first frame fixes the size (odd
    sides grow by a pixel); later frames of another size are fitted into it between black bars. Sound is not
    carried over.

    The video is encoded beside its place and moved there when it is closed. Closing reads it back: an encoder
    that failed without a word is a SinkError, and a video of which nothing can be read replaces none.

    Args:
        pixel_aspect: width of a pixel over its height, for players.
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
        self.path = path
        self.codec: str | None = None
        self._fps = fps or DEFAULT_FPS
        self._live = live
        self._pixel_aspect = pixel_aspect
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._size_wh = (0, 0)
        self._start_s = 0.0  # of the video, on the clock of the frames
        self._ticks = -1  # of the last frame
        self._written = 0
        self._claim = Claim(path)
        self._staged = self._claim.staging()
        for file in (path, self._staged):  # FFmpeg would say only that it failed; this says why
            check_writable(file)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Encode one frame; see `Sink.write`."""
        if overlay is None:
            raise ValueError("VideoSink.write needs the overlay")
        seconds = self._time_of(frame)
        if self._container is None:
            self._open(overlay)
            self._start_s = seconds
        ticks = round((seconds - self._start_s) * TICKS)
        if self._live and ticks - self._ticks > MAX_SILENCE_S * TICKS:
            cut = ticks - self._ticks - round(TICKS / self._fps)
            self._start_s += cut / TICKS
            ticks -= cut
        self._ticks = max(ticks, self._ticks + 1)  # time never stands still
        self._encode(fit_picture(overlay, self._size_wh), self._ticks)

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

    def _time_of(self, frame: Frame) -> float:
        if self._live:
            return frame.time_s
        return frame.index / self._fps if frame.media_s is None else frame.media_s

    def _open(self, overlay: NDArray[np.uint8]) -> None:
        height, width = overlay.shape[:2]
        self._size_wh = (width + width % 2, height + height % 2)
        for codec in CODECS:
            if self._opens(codec):
                self.codec = codec
                return
        self._staged.unlink(missing_ok=True)
        raise SinkError(
            f"FFmpeg cannot encode {width}x{height} pixels as {self.path}; write .jsonl or a folder, or use "
            "smaller frames"
        )

    def _opens(self, codec: str) -> bool:
        import av
        from av.error import FFmpegError

        container = av.open(f"file:{self._staged}", mode="w", format="mp4")
        try:
            rate = Fraction(self._fps).limit_denominator(1001)
            stream = cast("VideoStream", container.add_stream(codec, rate=rate))
            context = stream.codec_context
            context.width, context.height = self._size_wh
            context.pix_fmt = "yuv420p"
            context.time_base = Fraction(1, TICKS)
            context.options = CODECS[codec]
            context.thread_count = 1
            context.sample_aspect_ratio = self._pixel_aspect
            matrix = MATRICES[self._size_wh[1] >= HD_LINES][1]
            context.colorspace = context.color_primaries = context.color_trc = matrix
            context.color_range = 1  # 16 to 235
            context.open()
        except (FFmpegError, ValueError):  # also: there is no such encoder
            container.close()
            return False
        self._container, self._stream = container, stream
        return True

    def _encode(self, picture: NDArray[np.uint8], ticks: int) -> None:
        from av.video.frame import VideoFrame

        if shutil.disk_usage(self._staged.parent).free < RESERVE_BYTES:
            raise SinkError(
                f"the disk is full: {self.path} ends after {self._written} frames; make room or "
                "choose another -o"
            )
        matrix = MATRICES[self._size_wh[1] >= HD_LINES][0]
        image = VideoFrame.from_ndarray(picture, format="bgr24")
        image = image.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG")
        image.pts, image.time_base = ticks, Fraction(1, TICKS)
        self._mux(image)
        self._written += 1

    def _mux(self, image: VideoFrame | None) -> None:
        """Encode and write a picture, or with None what the encoder still holds."""
        from av.error import FFmpegError

        assert self._stream is not None
        assert self._container is not None
        try:
            for packet in self._stream.encode(image):
                packet.duration = round(TICKS / self._fps)  # counts for the last one
                self._container.mux(packet)
        except (FFmpegError, OSError) as error:
            raise SinkError(
                f"cannot write {self.path}: {error.strerror} after {self._written} frames; make room or "
                "choose another -o"
            ) from error

    def _finish(self) -> int:
        """Move the video to its place if it can be read, and count its frames."""
        from av.error import FFmpegError

        if self._container is None:
            return self._written
        with suppress(SinkError, FFmpegError, OSError):  # what can be read back will tell
            self._mux(None)
        with suppress(FFmpegError, OSError):
            self._container.close()
        self._container = None
        found = _count_frames(self._staged)
        if found:
            self._claim.put(self._staged)
        else:
            self._staged.unlink(missing_ok=True)
        return found


def fit_picture(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
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
    import av
    from av.error import FFmpegError

    try:
        with av.open(f"file:{path}") as container:
            next(container.decode(video=0))
            return int(container.streams.video[0].frames)
    except (FFmpegError, OSError, ValueError, StopIteration, IndexError):
        return 0

"""Encode pictures as video: H.264 that browsers play, each picture at its own time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2
from edgeseg.runtime.frame import Frame

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

# H.264 is what browsers play; MPEG-4 part 2 is in every FFmpeg. The fastest preset, in one thread: frames are
# encoded beside the network, which needs the processor more. The tune holds no frame back.
H264 = {"libx264": {"preset": "ultrafast", "crf": "20", "tune": "zerolatency"}}
CODECS = {**H264, "mpeg4": {"qscale": "3"}}
TICKS = 60_000  # a second: common rates are whole numbers of them, and MPEG-4 part 2 takes no more than 65535
DEFAULT_FPS = 25.0  # for sources that have no rate of their own
KEYFRAME_S = 1.0  # players start, and fragments and segments are cut, at keyframes
MAX_SILENCE_S = 5.0  # a live source that was silent for longer leaves a cut, not a still
HD_LINES = 720  # players take pictures of so many lines or more for BT.709, of fewer for BT.601
MATRICES = {True: ("ITU709", 1), False: ("ITU601", 6)}  # names of swscale, numbers of H.273; True: HD


@dataclass(frozen=True)
class VideoTiming:
    """When frames are shown.

    Attributes:
        fps: of the source, for frames without a time of their own, and for how long the last one stays.
        live: frames stand at their capture time; else at their media time, or what their index makes.
        pixel_aspect: width of a pixel over its height, for players.
    """

    fps: float = DEFAULT_FPS
    live: bool = False
    pixel_aspect: Fraction = Fraction(1)


class FrameClock:
    """Turn the times of frames into ticks of a video, which begin at 0 and always rise.

    Where a live source was silent for longer than MAX_SILENCE_S there is a cut.
    """

    def __init__(self, timing: VideoTiming) -> None:
        self._timing = timing
        self._start_s: float | None = None  # of the video, on the clock of the frames
        self._ticks = -1  # of the last frame

    def ticks(self, frame: Frame) -> int:
        """Give the next frame's time in TICKS a second."""
        seconds = self._seconds(frame)
        if self._start_s is None:
            self._start_s = seconds
        ticks = round((seconds - self._start_s) * TICKS)
        if self._timing.live and ticks - self._ticks > MAX_SILENCE_S * TICKS:
            cut = ticks - self._ticks - round(TICKS / self._timing.fps)
            self._start_s += cut / TICKS
            ticks -= cut
        self._ticks = max(ticks, self._ticks + 1)  # time never stands still
        return self._ticks

    def _seconds(self, frame: Frame) -> float:
        if self._timing.live:
            return frame.time_s
        return frame.index / self._timing.fps if frame.media_s is None else frame.media_s


class VideoWriter:
    """A container that is written, with one stream of pictures in it.

    Attributes:
        codec: name of FFmpeg's encoder.
        size_wh: of the pictures, even; those of another size are fitted in.
        written: pictures that were encoded.
        keyframes: that the container holds.
    """

    def __init__(
        self, container: OutputContainer, stream: VideoStream, codec: str, timing: VideoTiming
    ) -> None:
        self.codec = codec
        self.size_wh = stream.codec_context.width, stream.codec_context.height
        self.written = 0
        self.keyframes = 0
        self._container = container
        self._stream = stream
        self._duration = round(TICKS / timing.fps)
        self._matrix = MATRICES[self.size_wh[1] >= HD_LINES][0]
        self._next_keyframe = 0  # ticks

    def write(self, picture: NDArray[np.uint8], ticks: int) -> None:
        """Encode a picture, (H, W, 3) uint8 BGR. Raises FFmpegError or OSError."""
        from av.video.frame import PictureType, VideoFrame

        image = VideoFrame.from_ndarray(fit_picture(picture, self.size_wh), format="bgr24")
        image = image.reformat(format="yuv420p", dst_colorspace=self._matrix, dst_color_range="MPEG")
        image.pts, image.time_base = ticks, Fraction(1, TICKS)
        if ticks >= self._next_keyframe:
            image.pict_type = PictureType.I
            self._next_keyframe = ticks + round(KEYFRAME_S * TICKS)
        self._mux(image)
        self.written += 1

    def close(self) -> None:
        """Write what the encoder still holds and close the container; what failed is not told."""
        from av.error import FFmpegError

        with suppress(FFmpegError, OSError):
            self._mux(None)
        with suppress(FFmpegError, OSError):
            self._container.close()

    def _mux(self, image: object | None) -> None:
        for packet in self._stream.encode(image):  # type: ignore[arg-type]
            packet.duration = self._duration  # counts for the last one
            self._container.mux(packet)
            self.keyframes += packet.is_keyframe


def open_video(
    url: str,
    container_format: str,
    picture_wh: tuple[int, int],
    timing: VideoTiming,
    *,
    codecs: Mapping[str, Mapping[str, str]],
    options: Mapping[str, str],
) -> VideoWriter | None:
    """Open a container for pictures of a size; None where FFmpeg has no encoder that takes them.

    Args:
        picture_wh: width and height; odd sides grow by a pixel.
        codecs: names of encoders, the best first, with their options.
        options: of the container.
    """
    import av
    from av.error import FFmpegError

    size_wh = (picture_wh[0] + picture_wh[0] % 2, picture_wh[1] + picture_wh[1] % 2)
    for codec, settings in codecs.items():
        container = av.open(url, mode="w", format=container_format, options=dict(options))
        try:
            rate = Fraction(timing.fps).limit_denominator(1001)
            stream = cast("VideoStream", container.add_stream(codec, rate=rate))
            context = stream.codec_context
            context.width, context.height = size_wh
            context.pix_fmt = "yuv420p"
            context.time_base = Fraction(1, TICKS)
            context.options = dict(settings)
            context.thread_count = 1
            context.sample_aspect_ratio = timing.pixel_aspect
            matrix = MATRICES[size_wh[1] >= HD_LINES][1]
            context.colorspace = context.color_primaries = context.color_trc = matrix
            context.color_range = 1  # 16 to 235
            context.open()
        except (FFmpegError, ValueError):  # also: there is no such encoder
            container.close()
            continue
        return VideoWriter(container, stream, codec, timing)
    return None


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

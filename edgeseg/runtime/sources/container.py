"""Turn what a container says of a video into what is to be read, how long it is, and which way is up."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, cast

from edgeseg.errors import SourceError
from edgeseg.runtime.upright import UPRIGHT, Orientation

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.sidedata.sidedata import SideData
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MICROSECONDS = 1_000_000  # in a second: the clock of containers


def picture_stream(container: InputContainer, failure: str) -> VideoStream:
    """Choose the stream of moving pictures; a cover of an album is none."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    moving = [s for s in streams if not s.disposition & s.disposition.attached_pic]
    if not moving:
        raise SourceError(failure)
    return moving[0]


def stated_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Say when a recording should end, in seconds on its clock; None where nothing says it."""
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if match := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):  # Matroska
        return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3])
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / MICROSECONDS  # from 0 on, in some containers from the first frame on
    return None


def frame_count(container: InputContainer, stream: VideoStream, fps: float | None) -> int | None:
    """Estimate the number of frames: what the container lists, or fewer where less is to be shown."""
    duration_s = None
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_s = container.duration / MICROSECONDS
    by_time = round(duration_s * fps) if duration_s and fps else 0
    if stream.frames and by_time:
        return min(stream.frames, by_time)
    return stream.frames or by_time or None


def orientation(picture: VideoFrame) -> Orientation:
    """Say which way is up."""
    if not len(picture.side_data):
        return UPRIGHT
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return UPRIGHT
    fixed_point = bytes(cast("SideData", matrix))  # 16.16, row by row
    a, b, _, c, d = struct.unpack_from("=5i", fixed_point)
    return Orientation.from_matrix(a, b, c, d)

"""Read what a container says of a video: what is to be read, how long it is, and which way is up."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

from edgeseg import limits
from edgeseg.errors import SourceError
from edgeseg.runtime.sources.budget import check_pixels
from edgeseg.runtime.sources.timeline import Gaps
from edgeseg.runtime.upright import UPRIGHT, Orientation

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

DECODING_THREADS = 2
CODED_SHARE, CODED_MARGIN = 2, 1 << 16  # pixels of the coded size, which is padded, for each that is shown
MICROSECONDS = 1_000_000  # in a second: the clock of containers
# Formats without times, for which FFmpeg makes some up.
CLOCKLESS = frozenset(("mjpeg", "mpjpeg", "jpeg_pipe", "h264", "hevc", "m4v", "mpegvideo"))
AVI = "avi"
INDEXED = frozenset(("mov", AVI))  # their index lists every frame
MATROSKA = "matroska"
TRANSPORT_STREAM = "mpegts"


def formats(container: InputContainer) -> frozenset[str]:
    """Give FFmpeg's names of the format."""
    return frozenset(container.format.name.split(","))


def telling_gaps(container: InputContainer, *, live: bool) -> Gaps:
    """Say which gaps in time are losses."""
    names = formats(container)
    if names & INDEXED:
        return Gaps.NEVER
    return Gaps.BREAK if MATROSKA in names and not live else Gaps.TROUBLE


def open_container(
    place: str | BinaryIO,
    name: str,
    failure: SourceError,
    *,
    options: Mapping[str, str] | None = None,
    timeout_s: tuple[float, float] | None = None,
    form: str | None = None,
    paced: bool = False,
) -> tuple[InputContainer, VideoStream, bool]:
    """Open what FFmpeg can read, and tell whether it is live: of a network, and without an end or `paced`.

    Args:
        place: a file, open or not, or an address; `name` what it is called in messages.
        failure: raised, or another of its kind, if there are no moving pictures in it.
        options: FFmpeg's, of protocol and format.
        timeout_s: of opening and of each read, for a network; None for a file, which takes its time.
        form: FFmpeg's name of the format, None for finding out.
        paced: it comes at its own rate, whoever waits for it, even if it says how long it is.

    Raises:
        FFmpegError, OSError, ValueError: if it cannot be read. The message holds `place`.
        SourceError: `failure`, another of its kind if no picture came, or if its frames have more pixels
            than the limit.
    """
    import av

    most = limits.current().pixels
    bounds = {"max_pixels": str(CODED_SHARE * most + CODED_MARGIN)}
    started_s = time.monotonic()
    container = av.open(
        place,
        mode="r",
        format=form,
        timeout=timeout_s,
        options={**bounds, **(options or {})},
        metadata_errors="replace",
    )
    try:
        stream = picture_stream(container, failure)
        is_endless = container.duration is None or container.duration <= 0
        live = timeout_s is not None and (paced or is_endless)
        has_size = bool(stream.width and stream.height)
        if live and not has_size:  # cameras send none with their description; it comes with a key frame
            raise type(failure)(
                f"{name} answers, but no picture that can be decoded came in "
                f"{time.monotonic() - started_s:.1f} s; check camera and network"
            )
        if not has_size:  # FFmpeg reads none from a frame beyond `bounds`
            raise type(failure)(
                f"{name} is damaged, or its frames have far more than {most} pixels; "
                "where that is right, raise the limit: edgeseg --limit pixels=1G COMMAND"
            )
        check_pixels(name, stream.width, stream.height)
        context = stream.codec_context
        # Threads that take a frame each hold all but one of them back, which a recording does not mind; of
        # more, damage among the last would cost the sound ones, since PyAV fetches these at a stroke. Threads
        # that take a slice each keep FFmpeg from finding out which pictures are damaged.
        stream.thread_type = "NONE" if live else "AUTO"
        context.thread_count = 1 if live else DECODING_THREADS
        # Where each picture stands alone, a decoder that goes on after an error shows half a picture.
        explode = {"err_detect": "explode"} if context.codec.intra_only else {}
        context.options = {**bounds, **explode}
        return container, stream, live
    except BaseException:
        container.close()
        raise


def picture_stream(container: InputContainer, failure: SourceError) -> VideoStream:
    """Choose the stream of moving pictures; a cover of an album is none."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    moving = [s for s in streams if not s.disposition & s.disposition.attached_pic]
    if not moving:
        raise failure
    return moving[0]


def stated_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Say when a recording should end, in seconds on its clock; None where nothing says it."""
    if AVI in formats(container) and stream.frames and stream.time_base is not None:
        # One tick a frame; the duration of one that was cut off is FFmpeg's own estimate.
        return float(((stream.start_time or 0) + stream.frames) * stream.time_base)
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if match := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):  # Matroska
        return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3])
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / MICROSECONDS  # from 0 on, in some containers from the first frame on
    return None


def has_own_times(container: InputContainer, stream: VideoStream) -> bool:
    """Tell whether packets say when each is shown; else FFmpeg guesses, in order of decoding."""
    return not (AVI in formats(container) and stream.codec_context.has_b_frames)


def listed_packets(container: InputContainer, stream: VideoStream) -> int:
    """Say how many packets should be there at least; 0 where the container does not list them.

    An AVI file that is whole may list more, of no bytes, where the picture before stays.
    """
    names = formats(container)
    is_whole = AVI in names and stream.duration is not None and stream.duration >= stream.frames
    return stream.frames if names & INDEXED and not is_whole else 0


def frame_count(container: InputContainer, stream: VideoStream, fps: float | None) -> int | None:
    """Estimate the number of frames: what the container lists, or fewer where less is to be shown."""
    duration_s = None
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_s = container.duration / MICROSECONDS
        if MATROSKA in formats(container) and container.start_time:  # whose duration is when it ends
            duration_s -= container.start_time / MICROSECONDS
    by_time = round(duration_s * fps) if duration_s and fps else 0
    if stream.frames and by_time:
        return min(stream.frames, by_time)
    return stream.frames or by_time or None


def orientation(picture: VideoFrame) -> Orientation:
    """Say which way is up."""
    from av.sidedata.sidedata import SideDataContainer, Type

    # `picture.side_data` and the picture would hold each other, and megabytes, until the cycle is collected.
    sides = SideDataContainer(picture)  # type: ignore[call-arg]  # PyAV's own types leave it out
    matrices = [one for one in sides if one.type is Type.DISPLAYMATRIX]
    if not matrices:
        return UPRIGHT
    fixed_point = bytes(matrices[0])  # 16.16, row by row
    a, b, _, c, d = struct.unpack_from("=5i", fixed_point)
    return Orientation.from_matrix(a, b, c, d)

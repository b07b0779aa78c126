"""Split a video at key frames, so that several processes share it."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from edgeseg.batch.excerpts import copy_tables
from edgeseg.batch.names import spelt_in_text
from edgeseg.batch.piece import Span
from edgeseg.batch.places import COPIES, Place, Stored, opened
from edgeseg.errors import SourceError
from edgeseg.extras import require
from edgeseg.opencv import EXTRA
from edgeseg.runtime.sources.container import formats, frame_count, open_container
from edgeseg.runtime.sources.packets import ONE_PICTURE, is_shown

SPAN_S = 20.0  # at least, of a video's own time: seconds of work, against milliseconds of a seek
SPLIT = "mov"  # FFmpeg's name of MP4 and QuickTime, whose tables list each frame


@dataclass(frozen=True)
class Picture:
    """A packet of a picture: when it is shown, in ticks, and whether decoding can begin with it."""

    stamp: int
    is_key: bool


def split(path: Place) -> tuple[Sequence[Span | None], Sequence[int]]:
    """Split a video into spans of SPAN_S or more; of one that cannot be split, None stands for all of it.

    Its packets are read, not decoded. Only MP4 and QuickTime are split, where each packet is a picture: there
    the place of a frame in the video is known without decoding those before. Of one in a store only the
    tables are read.

    Returns:
        The spans, and how many frames each is expected to have.

    Raises:
        SourceError: if it cannot be read.
        MissingExtraError: if PyAV is not installed.
    """
    require("av", EXTRA)
    from av.error import FFmpegError

    failure = SourceError(f"{path} is damaged or not a video that FFmpeg can read")
    try:
        with ExitStack() as held:
            is_here = isinstance(path, Path)
            if isinstance(path, Path):
                here: Path | None = held.enter_context(spelt_in_text(path, COPIES))
            else:
                here = _tables(path, held)
            place = held.enter_context(opened(path)) if here is None else f"file:{here}"
            container, stream, _ = open_container(place, str(path), failure)
            held.enter_context(container)
            codec = stream.codec_context.codec.canonical_name
            rate = float(stream.average_rate or 0) or None
            whole = [None], [frame_count(container, stream, rate) or 1]
            tick = stream.time_base
            if tick is None or stream.duration is None or stream.duration * tick < 2 * SPAN_S:
                return whole
            if SPLIT not in formats(container) or codec not in ONE_PICTURE or here is None:
                return whole
            # FFmpeg looks at frames themselves for what begins with each; copies have none, but the table
            listed = [entry.is_keyframe for entry in stream.index_entries] if not is_here else None
            pictures = []
            for packet in container.demux(stream):
                if packet.size and (packet.pts is None or not is_shown(packet, codec)):
                    return whole
                if packet.size and packet.pts is not None:
                    pictures.append(Picture(packet.pts, packet.is_keyframe))
            if listed is not None:
                if len(listed) != len(pictures):
                    return whole
                pictures = [Picture(one.stamp, key) for one, key in zip(pictures, listed, strict=True)]
    except (FFmpegError, OSError, ValueError) as error:
        raise failure from error
    spans, frames = spans_of(pictures, tick)
    return (spans, frames) if len(spans) > 1 else whole


def _tables(path: Stored, held: ExitStack) -> Path | None:
    """Copy what says where frames are, for as long as `held` is; None where nothing does."""
    copy = Path(held.enter_context(tempfile.TemporaryDirectory(prefix=COPIES)), f"copy{path.suffix}")
    return copy if copy_tables(path, copy) else None


def spans_of(pictures: Sequence[Picture], tick: Fraction) -> tuple[list[Span | None], list[int]]:
    """Cut pictures, in order of decoding, at key frames that are SPAN_S or more apart.

    Pictures that are decoded after a key frame and shown before it belong to the span before.
    """
    shown = sorted(picture.stamp for picture in pictures)
    places = {stamp: place for place, stamp in enumerate(shown)}
    cuts: list[int] = []
    for picture in pictures:
        if picture.is_key and (not cuts or (picture.stamp - cuts[-1]) * tick >= SPAN_S):
            cuts.append(picture.stamp)
    if not cuts or len(places) < len(shown):  # no key frame, or times that do not tell frames apart
        return [None], [len(shown)]
    if (shown[-1] - cuts[-1]) * tick < SPAN_S and len(cuts) > 1:
        cuts.pop()  # the rest goes with the span before
    ends = [*cuts[1:], None]
    spans: list[Span | None] = [
        Span(begin, float(begin * tick), None if end is None else float(end * tick), places[begin])
        for begin, end in zip(cuts, ends, strict=True)
    ]
    firsts = [*(places[begin] for begin in cuts), len(shown)]
    return spans, [after - before for before, after in itertools.pairwise(firsts)]

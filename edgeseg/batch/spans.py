"""Split a video at key frames, so that several processes share it."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgeseg.batch.excerpts import copy_tables
from edgeseg.batch.names import spelt_in_text
from edgeseg.batch.piece import Span
from edgeseg.batch.places import Place, Stored, opened
from edgeseg.batch.random_access import begins_whole
from edgeseg.batch.scratch import scratch
from edgeseg.batch.tables import composition_offsets
from edgeseg.errors import SourceError
from edgeseg.extras import require
from edgeseg.opencv import EXTRA
from edgeseg.runtime.sources.container import formats, frame_count, open_container
from edgeseg.runtime.sources.packets import LARGEST_VOID, ONE_PICTURE

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

SPAN_S = 20.0  # at least, of a video's own time: seconds of work, against milliseconds of a seek
SPLIT = "mov"  # FFmpeg's name of MP4 and QuickTime, whose tables list each frame
MOST_REFUSED = 16  # key frames in a row with which decoding cannot begin: then none is likely to be better


def split(path: Place) -> tuple[Sequence[Span | None], Sequence[int]]:
    """Split a video into spans of SPAN_S or more; of one that cannot be split, None stands for all of it.

    Only MP4 and QuickTime are split, where each packet is a picture, by their tables and by the key frames at
    the cuts: there the place of a frame in the video is known without reading those before.

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
            if isinstance(path, Path):
                here: Path | None = held.enter_context(spelt_in_text(path))
            else:
                here = _tables(path, held)
            place = held.enter_context(opened(path)) if here is None else f"file:{here}"
            container, stream, _ = open_container(place, str(path), failure)
            held.enter_context(container)
            rate = float(stream.average_rate or 0) or None
            whole = [None], [frame_count(container, stream, rate) or 1]
            tick = stream.time_base
            if tick is None or stream.duration is None or stream.duration * tick < 2 * SPAN_S:
                return whole
            if SPLIT not in formats(container) or here is None:
                return whole
            listed = Listed(held.enter_context(opened(path)), here, container, stream)
            if not listed.is_told:
                return whole
            spans, frames = spans_of(listed.stamps, listed.keys, tick, listed.begins_whole)
    except (FFmpegError, OSError, ValueError, struct.error) as error:
        raise failure from error
    return (spans, frames) if len(spans) > 1 else whole


class Listed:
    """The pictures that the tables of a video list.

    Args:
        source: the file.
        here: where it is, or a copy of its tables.

    Attributes:
        is_told: each packet gives a picture, and when that is shown is known.
        stamps: (N,) when, in ticks, in order of decoding.
        keys: (N,) whether the table calls it a key frame.
    """

    def __init__(self, source: BinaryIO, here: Path, container: InputContainer, stream: VideoStream) -> None:
        self._source = source
        self._here = here
        self._container = container
        self._stream = stream
        self._codec = codec = stream.codec_context.codec.canonical_name
        self._entries = entries = list(stream.index_entries)
        self.stamps = np.array([entry.timestamp for entry in entries], np.int64)
        self.keys = np.array([entry.is_keyframe for entry in entries], bool)
        void = LARGEST_VOID if codec == "mpeg4" else 0
        self.is_told = (
            codec in ONE_PICTURE
            and codec != "vp8"  # whose packets tell themselves whether they are shown
            and bool(entries)
            and all(entry.size > void and not entry.is_discard for entry in entries)
            and self._add_offsets()
        )

    def _add_offsets(self) -> bool:
        with self._here.open("rb") as file:
            offsets = composition_offsets(file, self._stream.id, len(self._entries))
        first = self._packet_at(self._entries[0].timestamp)
        if offsets is None or first is None or first.pts is None:
            return False
        self.stamps += offsets
        self.stamps += first.pts - self.stamps[0]
        return True

    def begins_whole(self, place: int) -> bool:
        """Tell whether decoding can begin with a key frame, and does where one seeks it."""
        stamp, entry = int(self.stamps[place]), self._entries[place]
        packet = self._packet_at(stamp)
        if packet is None or packet.pts != stamp or packet.pos != entry.pos:
            return False
        self._source.seek(entry.pos)
        data = self._source.read(entry.size)
        return begins_whole(data, self._codec, self._stream.codec_context.extradata or b"")

    def _packet_at(self, stamp: int) -> Packet[VideoStream] | None:
        """Give the packet that FFmpeg finds for a time; of one in a store, its content may be a hole."""
        self._container.seek(stamp, stream=self._stream)
        return next(self._container.demux(self._stream), None)


def _tables(path: Stored, held: ExitStack) -> Path | None:
    """Copy what says where frames are, for as long as `held` is; None where nothing does."""
    copy = held.enter_context(scratch()) / f"copy{path.suffix}"
    return copy if copy_tables(path, copy) else None


def spans_of(
    stamps: NDArray[np.int64],
    keys: NDArray[np.bool_],
    tick: Fraction,
    begins_whole: Callable[[int], bool] = lambda place: True,
) -> tuple[list[Span | None], list[int]]:
    """Cut pictures at key frames that are SPAN_S or more apart.

    Pictures that are decoded after a key frame and shown before it belong to the span before.

    Args:
        stamps: (N,) when each is shown, in ticks, in order of decoding.
        keys: (N,) whether it is a key frame.
        tick: of `stamps`, in seconds.
        begins_whole: tells of a key frame's place whether decoding can begin there.
    """
    whole: tuple[list[Span | None], list[int]] = [None], [len(stamps)]
    shown = np.sort(stamps)
    if (np.diff(shown) == 0).any():  # times that do not tell frames apart
        return whole
    if not len(stamps) or not keys[0] or stamps[0] != shown[0] or not begins_whole(0):
        return whole
    cuts = [int(stamps[0])]
    least = math.ceil(Fraction(SPAN_S) / tick)
    refused = 0
    for place in np.flatnonzero(keys):
        if stamps[place] - cuts[-1] < least:
            continue
        if begins_whole(int(place)):
            cuts.append(int(stamps[place]))
            refused = 0
        elif (refused := refused + 1) == MOST_REFUSED:
            break
    if shown[-1] - cuts[-1] < least and len(cuts) > 1:
        cuts.pop()  # the rest goes with the span before
    ends = [*cuts[1:], None]
    firsts = [*np.searchsorted(shown, cuts).tolist(), len(shown)]
    spans: list[Span | None] = [
        Span(begin, float(begin * tick), None if end is None else float(end * tick), first)
        for begin, end, first in zip(cuts, ends, firsts, strict=False)
    ]
    return spans, [after - before for before, after in itertools.pairwise(firsts)]

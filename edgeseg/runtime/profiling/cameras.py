"""Run many cameras on one engine as the runtime does, and keep how long each of their frames took."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeseg.errors import SourceError
from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.recording import StageRecord, timeline
from edgeseg.runtime.profiling.scenarios import Limits, Run, is_over, went_away
from edgeseg.runtime.profiling.timing import MS_PER_S, STAGES
from edgeseg.runtime.profiling.warmup import Warming
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause
from edgeseg.runtime.streams.stream import OnResult, Stream
from edgeseg.runtime.streams.streams import Streams


class Replay(Source):
    """Frames in memory, without end, as a recording whose decoding takes no time.

    Args:
        frames: given in turn.
        first: which of them comes first: of several cameras each sees something else.
    """

    def __init__(self, frames: Sequence[Frame], first: int = 0, *, name: str = "frames in memory") -> None:
        super().__init__()
        self.name = name
        self._frames = frames
        self._first = first
        self._position = 0

    def read(self) -> Frame | None:
        """Give the next frame; see `Source.read`."""
        frame = self._frames[(self._first + self._position) % len(self._frames)]
        self._position += 1
        return dataclasses.replace(frame, index=self._position - 1, time_s=time.monotonic(), media_s=None)


@dataclass(frozen=True)
class _Arrival:
    """One result: of which camera, when it stood, and what its stages took."""

    stream: int
    at_s: float
    stages_ms: Mapping[str, float]


class _Arrivals:
    """Results of all streams in the order in which they come; any thread adds, one takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: list[_Arrival] = []
        self._taken = 0
        self._ended = False

    def add(self, stream: int, frame: Frame) -> None:
        """Note a result."""
        with self._changed:
            self._all.append(_Arrival(stream, time.monotonic(), frame.stages_ms))
            self._changed.notify_all()

    def end(self) -> None:
        """Note that a stream has ended."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def take(self) -> _Arrival | None:
        """Wait for the next; None once a stream has ended and all are taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._taken < len(self._all))
            if self._taken == len(self._all):
                return None
            self._taken += 1
            return self._all[self._taken - 1]


def run_cameras(
    segmenters: Sequence[Segmenter], sources: Sequence[Source], limits: Limits
) -> tuple[Run, int]:
    """Run one stream a camera on the engine that all segmenters share.

    Args:
        segmenters: one a camera.
        sources: one a camera; they stay open.
        limits: of which `frames` is how many each camera gives on average.

    Returns:
        What was measured, and how many frames were dropped because the engine was busy.

    Raises:
        SourceError: if a camera ends too soon.
    """
    arrivals = _Arrivals()
    records = [StageRecord() for _ in sources]
    streams = [
        Stream(
            str(number),
            source,
            segmenter,
            times=records[number],
            on_result=_noting(arrivals, number),
            on_end=arrivals.end,
        )
        for number, (source, segmenter) in enumerate(zip(sources, segmenters, strict=True))
    ]
    warming = Warming(limits.warmup)
    warm: list[_Arrival] = []
    found: list[_Arrival] = []
    with Streams(segmenters[0].engine) as together:
        began_s = time.monotonic()
        for stream in streams:
            together.add(stream)
        while not warming.over:
            warm.append(_next(arrivals, streams))
            warming.add(warm[-1].stages_ms["total"] / MS_PER_S, warm[-1].at_s - began_s)
        start_s = warm[-1].at_s if warm else began_s
        with limits.watch:
            while len(found) < limits.frames * len(streams) and not (
                found and is_over(found[-1].at_s - start_s, limits)
            ):
                found.append(_next(arrivals, streams))
                limits.on_frame()
    drops = sum(stream.feed.status().drops.get(DropCause.BUSY, 0) for stream in streams)
    before = Counter(arrival.stream for arrival in warm)
    run = Run(
        latencies_s=[arrival.stages_ms["total"] / MS_PER_S for arrival in found],
        to_sink_s=(),
        stages_s=_stages(records, found),
        timeline=timeline(records, [before[number] for number in range(len(streams))]),
        seconds=found[-1].at_s - start_s,
        first_s=(warm or found)[0].at_s - began_s,
        warmup=warming.report(),
    )
    return run, drops


def _noting(arrivals: _Arrivals, number: int) -> OnResult:
    def note(frame: Frame, _: Result) -> None:
        arrivals.add(number, frame)

    return note


def _next(arrivals: _Arrivals, streams: Sequence[Stream]) -> _Arrival:
    arrival = arrivals.take()
    if arrival is None:
        failed = next((stream for stream in streams if stream.error is not None), None)
        if failed is not None and failed.error is not None and not isinstance(failed.error, SourceError):
            raise failed.error
        gone = failed or next((stream for stream in streams if stream.feed.ended), streams[0])
        source = gone.feed.source
        raise went_away(gone.feed, f"camera {gone.name}" if source is None else source.name) from gone.error
    return arrival


def _stages(records: Sequence[StageRecord], found: Sequence[_Arrival]) -> dict[str, list[float]]:
    """Give the durations of each stage, those of capture with what was dropped after it."""
    captured = [took for record in records for took in record.durations_s().get("capture", [])]
    stages_s = {"capture": captured} if captured else {}
    for name in STAGES:
        if each := [arrival.stages_ms[name] / MS_PER_S for arrival in found if name in arrival.stages_ms]:
            stages_s[name] = each
    return stages_s

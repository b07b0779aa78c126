"""Run an engine on frames one after another, and keep how long each took: warm up, then measure."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from edgeseg.errors import SourceError
from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.profiling.recording import StageRecord, timeline
from edgeseg.runtime.profiling.report import FrameTimeline, Warmup
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.profiling.warmup import Warming
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.steps import Steps, segment
from edgeseg.runtime.streams.feed import Feed
from edgeseg.runtime.streams.losses import no_frames

DISTINCT_FRAMES = 16  # of a recording, taken in turn: the time of detectors depends on what is seen
DISTINCT_BYTES = 64 << 20  # of them, so that peak memory is the model's


@dataclass(frozen=True)
class Limits:
    """How much is measured.

    Attributes:
        frames: how many, of each camera.
        seconds: end after this time, at the earliest after one frame; None for never.
        warmup: frames that are computed first and not counted; None for until they are steady.
        on_frame: called after each frame that counts, outside what is measured.
        watch: entered when the warm-up is over, and left after the last frame.
    """

    frames: int
    seconds: float | None = None
    warmup: int | None = None
    on_frame: Callable[[], None] = lambda: None
    watch: AbstractContextManager[object] = field(default_factory=nullcontext)


@dataclass(frozen=True)
class Run:
    """What was measured of frames, the warm-up excluded.

    Attributes:
        latencies_s: capture to result of each frame.
        to_sink_s: capture to sink of each frame; empty where results went nowhere.
        stages_s: durations of each stage.
        timeline: of the first frames.
        seconds: that the results took, without what came after each.
        first_s: from the capture of the very first frame to its result.
        warmup: what came before.
    """

    latencies_s: Sequence[float]
    to_sink_s: Sequence[float]
    stages_s: Mapping[str, Sequence[float]]
    timeline: tuple[FrameTimeline, ...]
    seconds: float
    first_s: float
    warmup: Warmup


@dataclass(frozen=True)
class Took:
    """What one frame took, in seconds.

    Attributes:
        latency_s: capture to result.
        to_sink_s: capture to sink; None where the result went nowhere.
        seconds: from the wish for a frame until its result.
    """

    latency_s: float
    to_sink_s: float | None
    seconds: float


@dataclass
class SingleStream:
    """Take the next frame when the result of the last stands, and has gone to the sinks.

    Attributes:
        next_frame: gives it.
        live: latency begins at the frame's own capture time; else when the decoded frame is taken up.
        sinks: get each result.
        render: draw an overlay of each, though no sink wants one.
    """

    segmenter: Steps
    next_frame: Callable[[], Frame]
    live: bool = False
    sinks: Sequence[Sink] = ()
    render: bool = False
    _number: int = 0

    def __call__(self, times: StageTimes) -> Took:
        """Compute one frame; durations of its stages go to `times`."""
        wanted_s = time.monotonic()
        frame = self.next_frame()
        began_s = frame.time_s if self.live else time.monotonic()
        result = segment(self.segmenter, frame.image, times)
        stood_s = time.monotonic()
        to_sink_s = None
        if self.sinks or self.render:
            self._deliver(frame, result, times)
            to_sink_s = time.monotonic() - began_s
        return Took(stood_s - began_s, to_sink_s, stood_s - wanted_s)

    def _deliver(self, frame: Frame, result: Result, times: StageTimes) -> None:
        """Draw what is wanted and write it, the frame numbered anew: those of a recording come again."""
        overlay = None
        if self.render or any(sink.needs_overlay for sink in self.sinks):
            with times.measure("render"):
                overlay = draw(frame.image, result, self.segmenter.spec)
        frame = dataclasses.replace(frame, index=self._number, name=None, page=None, media_s=None)
        self._number += 1
        if self.sinks:
            with times.measure("sink"):
                for sink in self.sinks:
                    sink.write(frame, result, overlay if sink.needs_overlay else None)


def measured(work: Callable[[StageRecord], Took], limits: Limits) -> Run:
    """Warm up, then call `work`, which computes a frame, until there are enough."""
    warming = Warming(limits.warmup)
    first_s: float | None = None
    seconds = 0.0
    while not warming.over:
        took = work(StageRecord())
        seconds += took.seconds
        first_s = took.seconds if first_s is None else first_s
        warming.add(took.latency_s, seconds)
    record = StageRecord()
    frames: list[Took] = []
    seconds = 0.0
    with limits.watch:
        while len(frames) < limits.frames and not (frames and is_over(seconds, limits)):
            frames.append(work(record))
            seconds += frames[-1].seconds
            limits.on_frame()
    return Run(
        latencies_s=[took.latency_s for took in frames],
        to_sink_s=[took.to_sink_s for took in frames if took.to_sink_s is not None],
        stages_s=record.durations_s(),
        timeline=timeline([record], [0]),
        seconds=seconds,
        first_s=frames[0].seconds if first_s is None else first_s,
        warmup=warming.report(),
    )


def is_over(seconds: float, limits: Limits) -> bool:
    """Whether the time is over."""
    return limits.seconds is not None and seconds >= limits.seconds


def infer_once(segmenter: Steps, frame: Frame) -> Took:
    """Prepare a frame, and measure its inference alone."""
    prepared = segmenter.preprocess(frame.image)
    started_s = time.monotonic()
    segmenter.infer(prepared)
    took_s = time.monotonic() - started_s
    return Took(took_s, None, took_s)


def take(feed: Feed, source: Source) -> Frame:
    """Wait for a live source's newest frame. Raises SourceError if there is none."""
    frame = feed.take()
    if frame is None:
        raise went_away(feed, source.name) from feed.error
    return frame


def went_away(feed: Feed, name: str) -> SourceError:
    """Say that a live source, of that name, ended before there were enough frames, and why if it is known."""
    status = feed.status()
    taken = status.offered - status.waiting - sum(status.drops.values())
    why = "check camera and network" if feed.error is None else str(feed.error)
    return SourceError(f"{name} went away after {taken} frames, before the measurement ended: {why}")


def decode(source: Source, times: StageTimes, *, most: int = DISTINCT_FRAMES) -> list[Frame]:
    """Read the first frames of a source, `most` or DISTINCT_BYTES. Raises SourceError if it has none."""
    kept: list[Frame] = []
    held_bytes = 0
    while len(kept) < most and (not kept or held_bytes < DISTINCT_BYTES):
        with times.measure("capture"):
            frame = source.read()
        if frame is None:
            break
        kept.append(frame)
        held_bytes += frame.image.nbytes
    if not kept:
        raise no_frames(source)
    return kept

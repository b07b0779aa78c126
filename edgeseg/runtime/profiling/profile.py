"""Measure latencies of a segmenter on a source, and say where they begin and end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import cycle
from typing import Any, Protocol

from edgeseg.errors import SourceError
from edgeseg.machine import Machine, this_machine
from edgeseg.manifest import Manifest
from edgeseg.records import to_json_value
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.memory import peak_bytes
from edgeseg.runtime.profiling.timing import StageTimes, Summary, summarize
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause
from edgeseg.runtime.steps import Steps, segment
from edgeseg.runtime.streams.feed import Feed
from edgeseg.runtime.streams.losses import no_frames
from edgeseg.runtime.streams.opening import feed_of

WARMUP_FRAMES = 10
FRAMES = 100  # the fewest for which p99 is not simply the largest sample
DISTINCT_FRAMES = 16  # of a recording, taken in turn: the time of detectors depends on what is seen
DISTINCT_BYTES = 64 << 20  # of them, so that peak memory is the model's
BYTES_PER_MB = 1 << 20


@dataclass(frozen=True)
class Profile:
    """Latencies of one engine on one source, warm-up excluded.

    Attributes:
        latency_ms: capture to result. Begins when the driver of a live source hands the frame over, or when a
            decoded frame of a recording is taken up; ends when the result, in the frame's own pixels, stands
            in memory. Rendering and writing are not in it.
        infer_ms: the engine alone, in a loop of its own: begins with the prepared input in host memory, ends
            with the outputs in host memory, copies to and from an accelerator included.
        stages: durations within the capture-to-result loop; `capture` is the decoding of a frame (of a
            synthetic one, its drawing), which for recordings happens before that loop.
        throughput_fps: results a second of the capture-to-result loop, one frame at a time; a live source
            bounds it by its own rate.
        load_ms: opening the engine, as the caller measured it.
        peak_rss_mb: most memory the process, and one that its backend computes in, has held so far, in MiB.
        frame_hw: height and width of the (first) frame in pixels.
        distinct_frames: how many different frames were used; None for a live source.
        drops: frames of a live source that came while one was in work.
        started_at: UTC, ISO 8601.
    """

    latency_ms: Summary
    infer_ms: Summary
    stages: dict[str, Summary]
    throughput_fps: float
    load_ms: float | None
    peak_rss_mb: float
    backend: str
    backend_version: str
    device: str
    precision: str
    model_sha256: str
    source: str
    live: bool
    frame_hw: tuple[int, int]
    distinct_frames: int | None
    drops: int
    warmup: int
    started_at: str
    machine: Machine

    def to_json_value(self) -> dict[str, Any]:
        """Give the report as dicts, lists and scalars, ready for JSON."""
        value: dict[str, Any] = to_json_value(self)
        return value


class Profiled(Steps, Protocol):
    """A segmenter that knows the engine it runs."""

    @property
    def manifest(self) -> Manifest:
        """The engine's manifest."""


def profile(
    segmenter: Profiled,
    source: Source,
    *,
    warmup: int = WARMUP_FRAMES,
    frames: int = FRAMES,
    seconds: float | None = None,
    load_ms: float | None = None,
    on_frame: Callable[[], None] | None = None,
) -> Profile:
    """Measure an engine on real frames, one at a time.

    Frames of a recording are decoded beforehand, DISTINCT_FRAMES of them, and taken in turn. Of a live source
    the newest is.

    Args:
        source: stays open.
        warmup: frames that are computed first and not counted.
        frames: how many are measured, in each of the two loops (capture to result, and inference alone).
        seconds: end each loop after this time, at the earliest after one frame.
        load_ms: how long opening the engine took, to be reported.
        on_frame: called after each frame of the loops, outside what is measured, warm-up included.

    Raises:
        SourceError: if the source gives no frame, or a live one ends too soon.
    """
    started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    loop = _Loop(warmup, frames, seconds, on_frame or (lambda: None))
    capture = StageTimes()
    if source.live:
        with feed_of(source, policy="latest", times=capture) as feed:
            kept = [_take(feed, source)]
            measured = loop.run(lambda times: _segment_live(segmenter, _take(feed, source), times))
        drops, distinct = feed.status().drops.get(DropCause.BUSY, 0), None
    else:
        kept = _decode(source, capture)
        turns = cycle(kept)
        measured = loop.run(lambda times: _segment_stored(segmenter, next(turns), times))
        drops, distinct = 0, len(kept)
    again = cycle(kept)
    alone = loop.run(lambda _: _infer(segmenter, next(again)))
    height, width = kept[0].image.shape[:2]
    manifest = segmenter.manifest
    return Profile(
        latency_ms=summarize(measured.durations_s),
        infer_ms=summarize(alone.durations_s),
        stages={**capture.summaries(), **measured.times.summaries()},
        throughput_fps=len(measured.durations_s) / measured.seconds,
        load_ms=load_ms,
        peak_rss_mb=peak_bytes() / BYTES_PER_MB,
        backend=manifest.backend,
        backend_version=manifest.backend_version,
        device=manifest.device,
        precision=manifest.precision,
        model_sha256=manifest.model_sha256,
        source=source.name,
        live=source.live,
        frame_hw=(height, width),
        distinct_frames=distinct,
        drops=drops,
        warmup=warmup,
        started_at=started_at,
        machine=this_machine(),
    )


@dataclass(frozen=True)
class _Walk:
    """One measured loop: a duration for each frame, stages, and the wall time less that of `on_frame`."""

    durations_s: list[float]
    times: StageTimes
    seconds: float


@dataclass(frozen=True)
class _Loop:
    warmup: int
    frames: int
    limit_s: float | None
    on_frame: Callable[[], None]

    def run(self, work: Callable[[StageTimes], float]) -> _Walk:
        """Warm up, then call `work`, which returns how long it took, until there are enough frames."""
        for _ in range(self.warmup):
            work(StageTimes())
            self.on_frame()
        durations_s: list[float] = []
        times = StageTimes()
        seconds = 0.0
        while len(durations_s) < self.frames and (not self._over(seconds) or not durations_s):
            started_s = time.monotonic()
            durations_s.append(work(times))
            seconds += time.monotonic() - started_s
            self.on_frame()
        return _Walk(durations_s, times, seconds)

    def _over(self, seconds: float) -> bool:
        return self.limit_s is not None and seconds >= self.limit_s


def _segment_live(segmenter: Steps, frame: Frame, times: StageTimes) -> float:
    segment(segmenter, frame.image, times)
    return time.monotonic() - frame.time_s


def _segment_stored(segmenter: Steps, frame: Frame, times: StageTimes) -> float:
    started_s = time.monotonic()
    segment(segmenter, frame.image, times)
    return time.monotonic() - started_s


def _infer(segmenter: Steps, frame: Frame) -> float:
    prepared = segmenter.preprocess(frame.image)
    started_s = time.monotonic()
    segmenter.infer(prepared)
    return time.monotonic() - started_s


def _take(feed: Feed, source: Source) -> Frame:
    frame = feed.take()
    if frame is None:
        raise SourceError(f"{source.name} ended before the measurement did; use fewer frames") from feed.error
    return frame


def _decode(source: Source, times: StageTimes) -> list[Frame]:
    """Read the first frames of a recording, as many as the limits allow."""
    kept: list[Frame] = []
    held_bytes = 0
    while len(kept) < DISTINCT_FRAMES and (not kept or held_bytes < DISTINCT_BYTES):
        with times.measure("capture"):
            frame = source.read()
        if frame is None:
            break
        kept.append(frame)
        held_bytes += frame.image.nbytes
    if not kept:
        raise no_frames(source)
    return kept

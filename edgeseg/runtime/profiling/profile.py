"""Measure latencies of an engine, and say where they begin and end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import cycle

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.assembly import UNKNOWN, Opened, Profiled, now, report_of
from edgeseg.runtime.profiling.cameras import Replay, run_cameras
from edgeseg.runtime.profiling.recording import StageRecord
from edgeseg.runtime.profiling.report import Profile, Scenario
from edgeseg.runtime.profiling.scenarios import Limits, Run, SingleStream, decode, infer_once, measured, take
from edgeseg.runtime.profiling.watch import Watch
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause
from edgeseg.runtime.steps import Steps
from edgeseg.runtime.streams.opening import feed_of

FRAMES = 100
BATCHES_AT_ONCE = 2  # offline: one in the engine, one prepared

FROM_DRIVER = "begins when the driver hands the frame over"
FROM_MEMORY = "begins when a decoded frame is taken up"
TO_RESULT = "ends when its result, in the frame's own pixels, stands in memory; nothing is drawn or written"
TO_OVERLAY = "ends when the overlay of its result is drawn; nothing is written"
INFERENCE = (
    "in a loop of its own, begins with the prepared input in host memory, ends with the "
    "outputs in host memory, copies to and from an accelerator included"
)


def profile(
    segmenter: Profiled,
    source: Source,
    *,
    warmup: int | None = None,
    frames: int = FRAMES,
    seconds: float | None = None,
    sinks: Sequence[Sink] = (),
    render: bool = False,
    opened: Opened = UNKNOWN,
    on_frame: Callable[[], None] | None = None,
) -> Profile:
    """Measure an engine on real frames, one at a time.

    Frames of a recording are decoded beforehand, DISTINCT_FRAMES of them, and taken in turn. Of a live source
    the newest is.

    Args:
        source: stays open.
        warmup: frames that are computed first and not counted, in each loop; None stands for until their
            durations are steady.
        frames: how many are measured, in each of the two loops (capture to result, and inference alone).
        seconds: end each loop after this time, at the earliest after one frame.
        sinks: get each result, and stay open; latency to them is measured too.
        render: draw an overlay of each result, and measure until then, though no sink wants one.
        opened: how the engine was opened.
        on_frame: called after each frame that is measured, outside of it.

    Raises:
        SourceError: if the source gives no frame, or a live one ends too soon.
        SinkError: if a result cannot be written.
    """
    started_at = now()
    watch, watch_alone = (Watch(opened.device or segmenter.manifest.device) for _ in range(2))
    limits = Limits(frames, seconds, warmup, on_frame or (lambda: None), watch)
    capture = StageRecord()
    if source.live:
        with feed_of(source, policy="latest", times=capture) as feed:
            kept = [take(feed, source)]
            work = SingleStream(segmenter, lambda: take(feed, source), True, sinks, render)
            run = measured(work, limits)
        drops, distinct = feed.status().drops.get(DropCause.BUSY, 0), None
    else:
        kept = decode(source, capture)
        turns = cycle(kept)
        run = measured(SingleStream(segmenter, lambda: next(turns), False, sinks, render), limits)
        drops, distinct = 0, len(kept)
    run = dataclasses.replace(run, stages_s={**capture.durations_s(), **run.stages_s})
    return report_of(
        segmenter,
        run,
        _alone(segmenter, kept, limits, watch_alone),
        scenario="single-stream",
        meaning={
            "latency_ms": f"{FROM_DRIVER if source.live else FROM_MEMORY}, {TO_RESULT}",
            "sink_ms": _to_sink(sinks),
            "infer_ms": INFERENCE,
        },
        captured_first_s=0.0 if source.live else capture.durations_s()["capture"][0],
        sources=[source],
        kept=kept,
        distinct=distinct,
        drops=drops,
        streams=1,
        opened=opened,
        started_at=started_at,
        watch=watch,
        watch_alone=watch_alone,
    )


def profile_cameras(
    segmenters: Sequence[Segmenter],
    sources: Sequence[Source],
    *,
    scenario: Scenario = "multi-stream",
    warmup: int | None = None,
    frames: int = FRAMES,
    seconds: float | None = None,
    opened: Opened = UNKNOWN,
    on_frame: Callable[[], None] | None = None,
) -> Profile:
    """Measure an engine that many cameras share, as the runtime runs them.

    Args:
        segmenters: one a camera, all on one engine; for `offline` `offline_streams` of them.
        sources: one live source a camera; or one recording, whose first frames every camera gives in turn,
            each from another one on, and always has the next one ready. They stay open.
        scenario: `multi-stream` or `offline`, which differ in how many are in work at once, and in what the
            figures mean.
        warmup, seconds, opened, on_frame: as `profile`.
        frames: how many each camera gives.

    Raises:
        SourceError: if a source gives no frame, or a live one ends too soon.
    """
    started_at = now()
    watch, watch_alone = (Watch(opened.device or segmenters[0].manifest.device) for _ in range(2))
    limits = Limits(frames, seconds, warmup, on_frame or (lambda: None), watch)
    capture = StageRecord()
    live = sources[0].live
    if live:
        kept = decode(sources[0], capture, most=1)
        cameras: Sequence[Source] = sources
    else:
        kept = decode(sources[0], capture)
        cameras = [Replay(kept, number, name=sources[0].name) for number in range(len(segmenters))]
    run, drops = run_cameras(segmenters, cameras, limits)
    if not live:
        run = dataclasses.replace(run, stages_s={**run.stages_s, **capture.durations_s()})
    waits = "it waits for others that the engine computes before it"
    return report_of(
        segmenters[0],
        run,
        _alone(segmenters[0], kept, limits, watch_alone),
        scenario=scenario,
        meaning={
            "latency_ms": f"{FROM_DRIVER if live else FROM_MEMORY}, {waits}, {TO_RESULT}",
            "infer_ms": INFERENCE,
        },
        captured_first_s=0.0 if live else capture.durations_s()["capture"][0],
        sources=sources,
        kept=kept,
        distinct=None if live else len(kept),
        drops=drops,
        streams=len(segmenters) if scenario == "multi-stream" else 1,
        opened=opened,
        started_at=started_at,
        watch=watch,
        watch_alone=watch_alone,
    )


def offline_streams(batch: int) -> int:
    """Count the frames that are in work at once where all are there: enough for BATCHES_AT_ONCE."""
    return BATCHES_AT_ONCE * batch


def _alone(segmenter: Steps, kept: Sequence[Frame], limits: Limits, watch: Watch) -> Run:
    """Measure inference alone, watched by another than the loop before it."""
    turns = cycle(kept)
    limits = dataclasses.replace(limits, watch=watch)
    return measured(lambda _: infer_once(segmenter, next(turns)), limits)


def _to_sink(sinks: Sequence[Sink]) -> str:
    if not sinks:
        return f"begins as capture to result, {TO_OVERLAY}"
    names = ", ".join(sink.name for sink in sinks)
    return f"begins as capture to result, ends when the result is written to {names}, one after another"

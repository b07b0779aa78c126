"""Run one stream from source to sinks: its stages overlap, and the results come one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseg.errors import SourceDownError
from edgeseg.frames.results import Result
from edgeseg.runtime.filters import Filter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import Summary
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause, SinkStatus, SourceStatus
from edgeseg.runtime.streams.handover import Handover
from edgeseg.runtime.streams.inbox import Policy
from edgeseg.runtime.streams.opening import SourceLike
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams


@dataclass(frozen=True)
class RunReport:
    """What a run did, and how long it took.

    Attributes:
        frames: results.
        drops: sound frames of the source that have no result.
        dropped: all frames that have none, by cause.
        bad_frames: damaged or missing frames of the source that were passed over, up to the last result.
        skipped: one line for each input, or part of one, that could not be read, up to the last result.
        notes: one line for each thing that was read or written otherwise than a user might expect.
        source_ended: the source gave no more; False where `frames` or Ctrl-C ended the run. A live source
            ends by itself only if something is wrong with it.
        seconds: from the first frame wanted to the last sink closed.
        fps: results a second over `seconds`.
        latency_ms: capture to result, None without results. Ends when the result stands in memory; begins at
            `Frame.time_s` under the policy `latest`, so that waiting and decoding count, and when the decoded
            frame is taken up under `every`, where nobody waits for it before that.
        stages: durations by stage; `capture` includes dropped frames that were decoded. Stages run beside
            those of other frames.
        outages, longest_outage_s: how often a live source went down, and the longest time without a frame.
        shed: one line for each thing that was done less to keep within a budget of time.
        sinks: how each did.
    """

    frames: int
    drops: int
    bad_frames: int
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    source_ended: bool
    seconds: float
    fps: float
    latency_ms: Summary | None
    stages: Mapping[str, Summary]
    dropped: Mapping[DropCause, int]
    outages: int
    longest_outage_s: float
    shed: tuple[str, ...]
    sinks: tuple[SinkStatus, ...]


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C came during `run`; what was written is closed and readable.

    Attributes:
        report: what the run did until then.
        sink_error: what went wrong with writing or closing a sink, None if nothing did.
    """

    def __init__(self, report: RunReport, sink_error: Exception | None) -> None:
        super().__init__()
        self.report = report
        self.sink_error = sink_error


def stream(
    source: SourceLike,
    segmenter: Segmenter,
    *,
    filters: Sequence[Filter] = (),
    policy: Policy | None = None,
    budget_ms: float | None = None,
    on_state: Callable[[SourceStatus], None] | None = None,
) -> Iterator[tuple[Frame, Result]]:
    """Segment the frames of a source one after another.

    The next frames of a recording are read and computed while the caller works; of a camera the newest is
    taken when the caller asks for it. Leaving the loop stops the reading.

    Args:
        source: the text of one for `open_source`, which is opened again for ever where it is live; or a
            Source, which stays open.
        filters: change each result, one after another.
        policy: `every` frame, or the `latest` only, dropping what came while the network was busy; None
            stands for `latest` where the source is live, else `every`.
        budget_ms: keep frames within this time from capture to result by doing less: of the CRF, then of the
            rate of a camera; None for never.
        on_state: called in another thread with the status at each change of the source's state: a camera that
            is down is waited for.

    Raises:
        UsageError: if `source` is nothing that can be opened.
        SourceError: if a recording cannot be read or gives no frame, or a live Source ends by itself.
    """
    with Streams(segmenter.engine) as streams:
        handover = Handover(streams.wake)
        one = Stream(
            "",
            source,
            segmenter,
            filters=filters,
            policy=policy,
            budget_ms=budget_ms,
            on_state=on_state,
            on_result=handover.give,
            on_end=handover.end,
            wanted=lambda: one.feed.policy == "every" or handover.asks,
        )
        try:
            streams.add(one)
            yield from handover
        finally:
            handover.end()
    was_closed = isinstance(source, Source) and source.live and source.closed  # by the caller
    if one.error is not None and not was_closed:
        raise one.error


def run(
    source: SourceLike,
    segmenter: Segmenter,
    sinks: Sequence[Sink] = (),
    *,
    filters: Sequence[Filter] = (),
    frames: int | None = None,
    policy: Policy | None = None,
    budget_ms: float | None = None,
    on_frame: Callable[[Frame, Result], None] | None = None,
    on_state: Callable[[SourceStatus], None] | None = None,
) -> RunReport:
    """Segment a source and write the results.

    Sinks are closed at the end, whatever happens, so that what was written can be read.

    Args:
        source, filters, policy, budget_ms, on_state: as for `stream`.
        frames: stop after so many results.
        on_frame: called after each result, in this thread; its time counts for the frame rate.

    Raises:
        SourceError: if the source cannot be read or gives no frame. A live Source that ends is none.
        SinkError: if a result cannot be written.
        RunInterrupted: on Ctrl-C, after closing the sinks.
    """
    started_s = time.monotonic()
    streams = Streams(segmenter.engine)
    handover = Handover(streams.wake)
    one = Stream(
        "",
        source,
        segmenter,
        sinks,
        filters=filters,
        policy=policy,
        budget_ms=budget_ms,
        frames=frames,
        on_state=on_state,
        on_result=handover.give if on_frame is not None else None,
        on_end=handover.end,
    )
    try:
        with streams:
            try:
                streams.add(one)
                for frame, result in handover:
                    assert on_frame is not None
                    on_frame(frame, result)
            finally:
                handover.end()
    except KeyboardInterrupt:
        report = replace(_report(one, started_s), source_ended=False)
        raise RunInterrupted(report, one.delivery.error) from None
    went_down = isinstance(one.error, SourceDownError) and one.results
    if one.error is not None and not went_down:
        raise one.error
    return _report(one, started_s)


def _report(one: Stream, started_s: float) -> RunReport:
    seconds = time.monotonic() - started_s
    status = one.status()
    source = status.source
    return RunReport(
        frames=status.results,
        drops=sum(count for cause, count in source.drops.items() if cause is not DropCause.DAMAGED),
        bad_frames=one.feed.losses.bad_frames,
        skipped=one.feed.skipped,
        notes=one.notes(),
        source_ended=one.source_ended,
        seconds=seconds,
        fps=status.results / seconds if seconds > 0 else 0.0,
        latency_ms=status.latency_ms,
        stages=status.stages,
        dropped=source.drops,
        outages=source.outages,
        longest_outage_s=source.longest_outage_s,
        shed=one.shed(),
        sinks=status.sinks,
    )

"""Run a stream from source to sinks: one thread reads, the caller's computes, a third one writes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from edgeseg.errors import SourceDownError
from edgeseg.runtime.delivery import Delivery
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import WINDOW, StageTimes, Summary, summarize
from edgeseg.runtime.sinks.base import Result, Sink
from edgeseg.runtime.steps import Steps, segment
from edgeseg.runtime.streams.feed import Feed
from edgeseg.runtime.streams.inbox import Policy
from edgeseg.runtime.streams.opening import SourceLike, feed_of
from edgeseg.runtime.streams.status import DropCause, SourceStatus


@dataclass(frozen=True)
class RunReport:
    """What a run did, and how long it took.

    Attributes:
        frames: results.
        drops: frames of the source that were passed over because the network was busy.
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
        stages: durations by stage; `capture` includes dropped frames that were decoded; `render` and `sink`
            run beside the next frame's stages.
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
    stages: dict[str, Summary]


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
    segmenter: Steps,
    *,
    policy: Policy | None = None,
    on_state: Callable[[SourceStatus], None] | None = None,
) -> Iterator[tuple[Frame, Result]]:
    """Segment the frames of a source one after another.

    The next frames are read while the caller works. Leaving the loop stops the reading.

    Args:
        source: the text of one for `open_source`, which is opened again for ever where it is live; or a
            Source, which stays open.
        policy: `every` frame, or the `latest` only, dropping what came while the network was busy; None
            stands for `latest` where the source is live, else `every`.
        on_state: called in another thread with the status at each change of the source's state: a camera that
            is down is waited for.

    Raises:
        UsageError: if `source` is nothing that can be opened.
        SourceError: if a recording cannot be read or gives no frame, or a live Source ends by itself.
    """
    with feed_of(source, policy=policy, on_state=on_state) as feed:
        for frame in feed:
            yield frame, segment(segmenter, frame.image)


def run(
    source: SourceLike,
    segmenter: Steps,
    sinks: Sequence[Sink] = (),
    *,
    frames: int | None = None,
    policy: Policy | None = None,
    on_frame: Callable[[Frame, Result], None] | None = None,
    on_state: Callable[[SourceStatus], None] | None = None,
) -> RunReport:
    """Segment a source and write the results.

    Sinks are closed at the end, whatever happens, so that what was written can be read.

    Args:
        source, policy, on_state: as for `stream`.
        frames: stop after so many results.
        on_frame: called after each result, in this thread; its time counts for the frame rate.

    Raises:
        SourceError: if the source cannot be read or gives no frame. A live Source that ends is none.
        SinkError: if a result cannot be written.
        RunInterrupted: on Ctrl-C, after closing the sinks.
    """
    tally = _Tally(segmenter)
    delivery = Delivery(sinks, segmenter.spec, tally.times)
    tally.sinks, tally.delivery = sinks, delivery
    try:
        with ExitStack() as stack:
            stack.enter_context(delivery)
            feed = feed_of(source, policy=policy, times=tally.times, on_state=on_state)
            tally.feed = stack.enter_context(feed)
            while frames is None or tally.frames < frames:
                if (frame := feed.take()) is None:
                    tally.source_ended = True
                    went_down = isinstance(feed.error, SourceDownError) and tally.frames
                    if feed.error is not None and not went_down:
                        raise feed.error
                    break
                if not tally.frames:
                    delivery.lossless = feed.policy == "every"
                begun_s = frame.time_s if feed.policy == "latest" else time.monotonic()
                result = segment(segmenter, frame.image, tally.times)
                tally.add(time.monotonic() - begun_s)
                delivery.put(frame, result)
                if on_frame is not None:
                    on_frame(frame, result)
    except KeyboardInterrupt:
        raise RunInterrupted(tally.report(), delivery.error) from None
    return tally.report()


class _Tally:
    """What a run has done so far."""

    def __init__(self, segmenter: Steps) -> None:
        self.segmenter = segmenter
        self.times = StageTimes()
        self.feed: Feed | None = None
        self.sinks: Sequence[Sink] = ()
        self.delivery: Delivery | None = None
        self.frames = 0
        self.source_ended = False
        self._latencies_s: deque[float] = deque(maxlen=WINDOW)
        self._started_s = time.monotonic()

    def add(self, latency_s: float) -> None:
        self.frames += 1
        self._latencies_s.append(latency_s)

    def report(self) -> RunReport:
        seconds = time.monotonic() - self._started_s
        feed = self.feed
        return RunReport(
            frames=self.frames,
            drops=_dropped(feed.status()) if feed else 0,
            bad_frames=feed.losses.bad_frames if feed else 0,
            skipped=feed.skipped if feed else (),
            notes=self._notes(),
            source_ended=self.source_ended,
            seconds=seconds,
            fps=self.frames / seconds if seconds > 0 else 0.0,
            latency_ms=summarize(self._latencies_s) if self._latencies_s else None,
            stages=self.times.summaries(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = self.feed.status().notes if self.feed else ()
        lost = self.delivery.notes() if self.delivery else ()
        sinks = (note for sink in self.sinks for note in sink.notes)
        return (*notes, *self.segmenter.notes, *sinks, *lost)


def _dropped(status: SourceStatus) -> int:
    """Count the sound frames that nobody got."""
    return sum(count for cause, count in status.drops.items() if cause is not DropCause.DAMAGED)

"""Run a stream from source to sinks: one thread reads, the caller's computes, a third one writes."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Union

from edgeseg.runtime.delivery import Delivery
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import WINDOW, StageTimes, Summary, summarize
from edgeseg.runtime.reader import LatestReader, Losses, Policy, Reader, open_reader, stopped
from edgeseg.runtime.sinks.base import Result, Sink
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.steps import Steps, segment

SourceLike = Union[Source, str, "os.PathLike[str]"]


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
    source: SourceLike, segmenter: Steps, *, policy: Policy | None = None
) -> Iterator[tuple[Frame, Result]]:
    """Segment the frames of a source one after another.

    The next frames are read while the caller works. Leaving the loop stops the reading.

    Args:
        source: a Source, which stays open, or the text of one for `open_source`.
        policy: `every` frame, or the `latest` only, dropping what came while the network was busy; None
            stands for `latest` where the source is live, else `every`.

    Raises:
        SourceError: if the source cannot be read or gives no frame, or a live one ends that nobody closed.
    """
    with ExitStack() as stack:
        opened = _opened(source, stack)
        reader = stack.enter_context(open_reader(opened, policy))
        for frame in reader:
            yield frame, segment(segmenter, frame.image)
        if opened.live and not opened.closed:
            raise stopped(opened)


def run(
    source: SourceLike,
    segmenter: Steps,
    sinks: Sequence[Sink] = (),
    *,
    frames: int | None = None,
    policy: Policy | None = None,
    on_frame: Callable[[Frame, Result], None] | None = None,
) -> RunReport:
    """Segment a source and write the results.

    Sinks are closed at the end, whatever happens, so that what was written can be read.

    Args:
        source, policy: as for `stream`.
        frames: stop after so many results.
        on_frame: called after each result, in this thread; its time counts for the frame rate.

    Raises:
        SourceError: if the source cannot be read or gives no frame.
        SinkError: if a result cannot be written.
        RunInterrupted: on Ctrl-C, after closing the sinks.
    """
    tally = _Tally()
    delivery = Delivery(sinks, segmenter.spec, tally.times)
    tally.sinks, tally.delivery = sinks, delivery
    try:
        with ExitStack() as stack:
            stack.enter_context(delivery)
            tally.source = _opened(source, stack)
            tally.reader = stack.enter_context(open_reader(tally.source, policy, tally.times))
            delivery.lossless = not isinstance(tally.reader, LatestReader)
            while frames is None or tally.frames < frames:
                if (frame := tally.reader.take()) is None:
                    tally.source_ended = True
                    break
                begun_s = _begin(tally.reader, frame)
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

    def __init__(self) -> None:
        self.times = StageTimes()
        self.source: Source | None = None
        self.reader: Reader | None = None
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
        losses = self.reader.losses if self.reader else Losses(0, 0)
        return RunReport(
            frames=self.frames,
            drops=self.reader.drops if self.reader else 0,
            bad_frames=losses.bad_frames,
            skipped=tuple(self.source.skipped[: losses.skipped]) if self.source else (),
            notes=self._notes(),
            source_ended=self.source_ended,
            seconds=seconds,
            fps=self.frames / seconds if seconds > 0 else 0.0,
            latency_ms=summarize(self._latencies_s) if self._latencies_s else None,
            stages=self.times.summaries(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = list(self.source.notes) if self.source else []
        lost = self.delivery.notes() if self.delivery else ()
        return (*notes, *(note for sink in self.sinks for note in sink.notes), *lost)


def _begin(reader: Reader, frame: Frame) -> float:
    return frame.time_s if isinstance(reader, LatestReader) else time.monotonic()


def _opened(source: SourceLike, stack: ExitStack) -> Source:
    """Open a source given as text, to be closed with the stack."""
    return source if isinstance(source, Source) else stack.enter_context(open_source(source))

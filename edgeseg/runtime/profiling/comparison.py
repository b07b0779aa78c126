"""Measure several engines in turn on the same frames, and say which is faster beyond noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any

from edgeseg.engines.tuning import SETTLE_S, order_of_round
from edgeseg.errors import UsageError
from edgeseg.records import Range, to_json_value
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.assembly import Opened, Profiled, now, report_of
from edgeseg.runtime.profiling.profile import FRAMES, FROM_MEMORY, TO_RESULT
from edgeseg.runtime.profiling.ratios import MIN_SAMPLES, Ratio, paired_ratio
from edgeseg.runtime.profiling.recording import StageRecord, timeline
from edgeseg.runtime.profiling.report import PROFILE_VERSION, Profile
from edgeseg.runtime.profiling.scenarios import Limits, Run, SingleStream, Took, decode, is_over
from edgeseg.runtime.profiling.statistics import COVERAGE
from edgeseg.runtime.profiling.warmup import Warming
from edgeseg.runtime.profiling.watch import Watch
from edgeseg.runtime.sources.base import Source

IN_TURN = "the engines take turns on the same frames"
INFERENCE = (
    "between the other stages, begins with the prepared input in host memory, ends with "
    "the outputs in host memory, copies to and from an accelerator included"
)


@dataclass(frozen=True)
class Pair:
    """How two of the compared engines differ.

    Attributes:
        first, second: their numbers among `Comparison.profiles`.
        latency: capture to result.
        inference: the engine alone.
    """

    first: int
    second: int
    latency: Ratio
    inference: Ratio


@dataclass(frozen=True)
class Comparison:
    """Engines that were measured in turn.

    Attributes:
        profiles: of each; memory and energy are those of all together.
        pairs: every two of them. Over all ratios together, the chance that one says "different" where there
            is none is 1 - COVERAGE.
        rounds: in each of which every engine computed the same frame once.
    """

    profiles: tuple[Profile, ...]
    pairs: tuple[Pair, ...]
    rounds: int
    schema_version: Annotated[int, Range(PROFILE_VERSION, PROFILE_VERSION)] = PROFILE_VERSION

    def to_json_value(self) -> dict[str, Any]:
        """Give the comparison as dicts, lists and scalars, ready for JSON."""
        value: dict[str, Any] = to_json_value(self)
        return value


def compare(
    segmenters: Sequence[Profiled],
    source: Source,
    opened: Sequence[Opened],
    *,
    warmup: int | None = None,
    frames: int = FRAMES,
    seconds: float | None = None,
    on_frame: Callable[[], None] | None = None,
) -> Comparison:
    """Measure engines in turn, so that a drift of the machine's speed hits all alike.

    The first frames of the source are decoded beforehand, also of a live one: all see the same.

    Args:
        segmenters: two at least.
        opened: how each was opened.
        source, warmup, frames, seconds, on_frame: as `profile`.

    Raises:
        UsageError: if there are too few engines or frames to compare.
        SourceError: if the source gives no frame.
    """
    if len(segmenters) < 2:  # noqa: PLR2004 - a pair
        raise UsageError(f"a comparison takes two engines at least, got {len(segmenters)}")
    if frames < MIN_SAMPLES:
        raise UsageError(f"a comparison takes {MIN_SAMPLES} frames at least, got {frames}; add --frames 100")
    started_at = now()
    watch = Watch(opened[0].device or segmenters[0].manifest.device)
    limits = Limits(frames, seconds, warmup, on_frame or (lambda: None), watch)
    capture = StageRecord()
    kept = decode(source, capture)
    runs = _in_turn(segmenters, kept, limits)
    profiles = tuple(
        report_of(
            segmenter,
            run,
            inference,
            scenario="single-stream",
            meaning={"latency_ms": f"{FROM_MEMORY}, {TO_RESULT}; {IN_TURN}", "infer_ms": INFERENCE},
            captured_first_s=0.0 if source.live else capture.durations_s()["capture"][0],
            sources=[source],
            kept=kept,
            distinct=len(kept),
            drops=0,
            streams=1,
            opened=how,
            started_at=started_at,
            watch=watch,
        )
        for segmenter, how, (run, inference) in zip(segmenters, opened, runs, strict=True)
    )
    return Comparison(profiles, pairs_of(profiles), len(runs[0][0].latencies_s))


def pairs_of(profiles: Sequence[Profile]) -> tuple[Pair, ...]:
    """Compare every two of the profiles, whose samples were measured in turn."""
    both = list(combinations(range(len(profiles)), 2))
    coverage = 1 - (1 - COVERAGE) / (2 * len(both))  # two ratios a pair
    return tuple(
        Pair(
            first,
            second,
            *(
                paired_ratio(
                    profiles[first].samples_ms[name], profiles[second].samples_ms[name], coverage=coverage
                )
                for name in ("latency_ms", "infer_ms")
            ),
        )
        for first, second in both
    )


def _in_turn(segmenters: Sequence[Profiled], kept: Sequence[Frame], limits: Limits) -> list[tuple[Run, Run]]:
    """Compute the same frame with each engine, round after round; give each one's frames and inferences."""
    position = 0
    works = [SingleStream(each, lambda: kept[position % len(kept)]) for each in segmenters]
    warming = [Warming(limits.warmup) for _ in works]
    firsts_s: list[float | None] = [None for _ in works]
    warmed_s = 0.0
    while not all(each.over for each in warming):
        for index in order_of_round(position, len(works)):
            took = _settled(works[index], StageRecord())
            warmed_s += took.seconds
            firsts_s[index] = firsts_s[index] or took.seconds
            warming[index].add(took.latency_s, warmed_s)
        position += 1
    records = [StageRecord() for _ in works]
    found: list[list[Took]] = [[] for _ in works]
    seconds, position = 0.0, 0
    with limits.watch:
        while position < limits.frames and not (position >= MIN_SAMPLES and is_over(seconds, limits)):
            for index in order_of_round(position, len(works)):
                found[index].append(_settled(works[index], records[index]))
                seconds += found[index][-1].seconds
                limits.on_frame()
            position += 1
    return [
        _runs(took, record, first_s, warm)
        for took, record, first_s, warm in zip(found, records, firsts_s, warming, strict=True)
    ]


def _settled(work: SingleStream, record: StageRecord) -> Took:
    """Compute a frame after the threads of the engine before have come to rest."""
    time.sleep(SETTLE_S)
    return work(record)


def _runs(took: Sequence[Took], record: StageRecord, first_s: float | None, warm: Warming) -> tuple[Run, Run]:
    stages_s = record.durations_s()
    run = Run(
        latencies_s=[each.latency_s for each in took],
        to_sink_s=(),
        stages_s=stages_s,
        timeline=timeline([record], [0]),
        seconds=sum(each.seconds for each in took),
        first_s=took[0].seconds if first_s is None else first_s,
        warmup=warm.report(),
    )
    inference = Run(stages_s["infer"], (), {}, (), sum(stages_s["infer"]), 0.0, warm.report())
    return run, inference

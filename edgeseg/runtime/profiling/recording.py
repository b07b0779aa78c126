"""Keep all durations of stages in order, and when each began, for a profile's percentiles and timeline."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from edgeseg.runtime.profiling.report import FrameTimeline, StageSpan
from edgeseg.runtime.profiling.timing import MS_PER_S, STAGES, StageTimes

SHOWN_FRAMES = 12  # of a timeline


class StageRecord(StageTimes):
    """Stages as StageTimes, each duration kept with the moment in which it began.

    Attributes:
        spans_s: of each stage, (`time.monotonic()` at its beginning, duration), in the order in which they
            ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spans_s: dict[str, list[tuple[float, float]]] = {}

    def add(self, stage: str, duration_s: float) -> None:
        """Record a duration that ends now."""
        super().add(stage, duration_s)
        self.spans_s.setdefault(stage, []).append((time.monotonic() - duration_s, duration_s))

    def durations_s(self) -> dict[str, list[float]]:
        """Give the durations of each stage that has any, in the order of STAGES."""
        return {name: [took for _, took in self.spans_s[name]] for name in STAGES if name in self.spans_s}


def timeline(records: Sequence[StageRecord], first: Sequence[int]) -> tuple[FrameTimeline, ...]:
    """Put the stages of the first measured frames on one axis, which begins with the first of them.

    Within a stream frames keep their order, so the n-th duration of each stage is of the n-th frame. Capture
    is left out: sources read ahead, and frames are dropped before they are decoded.

    Args:
        records: of each stream.
        first: of each stream, the number of its first frame that was measured.
    """
    frames = [
        (stream, number, _stages(record.spans_s, start + number))
        for stream, (record, start) in enumerate(zip(records, first, strict=True))
        for number in range(max(SHOWN_FRAMES // len(records), 1))
    ]
    frames = [frame for frame in frames if frame[2]]
    if not frames:
        return ()
    zero_s = min(start_s for *_, stages in frames for _, start_s, _ in stages)
    return tuple(
        FrameTimeline(
            stream,
            number,
            tuple(
                StageSpan(name, MS_PER_S * (start_s - zero_s), MS_PER_S * took_s)
                for name, start_s, took_s in stages
            ),
        )
        for stream, number, stages in frames
    )


def _stages(
    spans_s: Mapping[str, Sequence[tuple[float, float]]], frame: int
) -> list[tuple[str, float, float]]:
    """Give (stage, start, duration) of one frame, in the order in which they began."""
    found = [
        (name, *spans[frame]) for name, spans in spans_s.items() if name != "capture" and frame < len(spans)
    ]
    return sorted(found, key=lambda span: span[1])

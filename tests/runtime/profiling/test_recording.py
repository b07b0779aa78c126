from __future__ import annotations

import pytest

from edgeseg.runtime.profiling.recording import SHOWN_FRAMES, StageRecord, timeline


def record(stages: dict[str, list[tuple[float, float]]]) -> StageRecord:
    made = StageRecord()
    made.spans_s.update(stages)
    return made


def test_durations_keep_the_order_in_which_they_were_measured() -> None:
    made = StageRecord()
    for duration_s in (0.003, 0.001, 0.002):
        made.add("infer", duration_s)
    made.add("preprocess", 0.5)
    assert made.durations_s() == {"preprocess": [0.5], "infer": [0.003, 0.001, 0.002]}
    assert made.summaries()["infer"].samples == 3


def test_a_timeline_begins_with_the_first_frame_that_counts() -> None:
    made = record(
        {
            "capture": [(0.0, 1.0)],
            "preprocess": [(10.0, 0.001), (20.0, 0.002), (30.0, 0.003)],
            "infer": [(10.1, 0.01), (20.5, 0.02), (30.1, 0.03)],
        }
    )
    second, third = timeline([made], [1])
    assert [(span.stage, span.start_ms) for span in second.spans] == [("preprocess", 0.0), ("infer", 500.0)]
    assert third.frame == 1
    assert third.spans[0].start_ms == 10_000.0
    assert third.spans[1].duration_ms == pytest.approx(30.0)


def test_cameras_share_one_axis_and_the_frames_that_are_shown() -> None:
    spans = [(float(number), 0.1) for number in range(100)]
    frames = timeline([record({"infer": spans}), record({"infer": spans})], [5, 3])
    assert len(frames) == SHOWN_FRAMES
    assert {frame.stream for frame in frames} == {0, 1}
    assert min(span.start_ms for frame in frames for span in frame.spans) == 0.0
    assert next(frame for frame in frames if frame.stream == 0).spans[0].start_ms == 2000.0


def test_nothing_measured_has_no_timeline() -> None:
    assert timeline([StageRecord()], [0]) == ()

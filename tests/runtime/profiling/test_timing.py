from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.profiling.timing import STAGES, WINDOW, StageTimes, Summary, summarize


def test_percentiles_by_hand() -> None:
    # 1..10 ms: 5 samples are 50 % and reach 5 ms, 9 are 90 % and reach 9 ms, 99 % takes all ten
    assert summarize([s / 1000 for s in (3, 1, 2, 10, 9, 8, 7, 4, 5, 6)]) == Summary(5.0, 9.0, 10.0, 10)


def test_one_sample_is_every_percentile() -> None:
    assert summarize([0.25]) == Summary(250.0, 250.0, 250.0, 1)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarize([])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_each_percentile_is_a_sample_that_enough_samples_do_not_exceed(durations_s: list[float]) -> None:
    summary = summarize(durations_s)
    for percent, value in ((50, summary.p50), (90, summary.p90), (99, summary.p99)):
        in_ms = [d * 1000.0 for d in durations_s]
        assert value in in_ms
        assert sum(d <= value for d in in_ms) >= percent / 100 * len(in_ms)
        assert sum(d < value for d in in_ms) < percent / 100 * len(in_ms)


def test_stages_come_in_pipeline_order_and_only_with_samples() -> None:
    times = StageTimes()
    times.add("sink", 0.002)
    with times.measure("infer"):
        pass
    assert list(times.summaries()) == ["infer", "sink"]
    assert times.summaries()["sink"] == Summary(2.0, 2.0, 2.0, 1)


def test_a_block_that_raises_is_not_recorded() -> None:
    times = StageTimes()
    with pytest.raises(KeyError), times.measure("infer"):
        raise KeyError
    assert times.summaries() == {}


def test_memory_is_bounded_by_the_latest_samples() -> None:
    times = StageTimes()
    for _ in range(WINDOW):
        times.add("infer", 1.0)
    for _ in range(WINDOW):
        times.add("infer", 2.0)
    assert times.summaries()["infer"] == Summary(2000.0, 2000.0, 2000.0, WINDOW)


def test_unknown_stages_are_refused() -> None:
    assert "inference" not in STAGES
    with pytest.raises(KeyError):
        StageTimes().add("inference", 1.0)

"""Events begin and end by time spent above a threshold, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.events.zone import MOST_INTERVAL_S, Change, Zone


def changes(zone: Zone, measures: list[tuple[float, float]]) -> list[tuple[float, str, float]]:
    found = []
    for time_s, value in measures:
        if change := zone.step(time_s, value):
            found.append((time_s, change.kind, pytest.approx(change.duration_s)))
    return found


def test_an_event_begins_after_some_time_above_and_ends_after_as_long_below() -> None:
    zone = Zone(above=0.5, for_s=1.0)
    values = [0.0, 0.6, 0.6, 0.6, 0.7, 0.4, 0.4, 0.4, 0.4]
    measures = [(10 + 0.5 * step, value) for step, value in enumerate(values)]
    # above from 10.5 to 12.0: begins at 11.5 after 1 s, lasts 1.5 s, and ends at 13.5, 1 s below
    assert changes(zone, measures) == [(11.5, "begin", 1.0), (13.5, "end", 1.5)]


def test_without_a_time_the_first_measure_decides() -> None:
    zone = Zone(above=2, for_s=0)
    assert changes(zone, [(0, 3), (1, 3), (2, 2), (3, 2)]) == [(0, "begin", 0.0), (2, "end", 1.0)]


def test_what_does_not_stay_above_is_no_event() -> None:
    zone = Zone(above=0.5, for_s=1.0)
    assert changes(zone, [(step / 2, 0.9 if step % 2 else 0.1) for step in range(20)]) == []


def test_an_event_outlives_a_short_dip() -> None:
    zone = Zone(above=0.5, for_s=1.0)
    values = [0.9, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1]
    measures = [(0.5 * step, value) for step, value in enumerate(values)]
    assert changes(zone, measures) == [(1.0, "begin", 1.0), (3.5, "end", 2.0)]


def test_a_gap_counts_as_one_interval_at_most() -> None:
    zone = Zone(above=0.5, for_s=2.0)
    measures = [(0, 0.9), (0.5, 0.9), (600, 0.9), (600.5, 0.9)]  # 0.5 + 1 + 0.5
    assert changes(zone, measures) == [(600.5, "begin", 2.0)]
    measures = [(601, 0.1), (2000, 0.1), (2000.5, 0.1), (2001, 0.1)]
    assert changes(zone, measures) == [(2001, "end", 2.0)]


def test_a_slow_engine_gives_events_later_but_gives_them() -> None:
    zone = Zone(above=0.5, for_s=2.0)
    measures = [(5.0 * step, 0.9) for step in range(4)]
    assert changes(zone, measures) == [(10.0, "begin", 2 * MOST_INTERVAL_S)]


def test_closing_ends_what_is_active() -> None:
    zone = Zone(above=0.5, for_s=0.0)
    assert zone.close() is None
    zone.step(0.0, 1.0)
    zone.step(0.5, 1.0)
    assert zone.close() == Change("end", 0.5)
    assert zone.close() is None


@given(
    st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(0.0, 1.0)), max_size=60),
    st.floats(0.0, 5.0),
)
def test_begin_and_end_alternate_and_last_no_longer_than_the_clock(
    steps: list[tuple[float, float]], for_s: float
) -> None:
    zone, now_s, kinds = Zone(above=0.5, for_s=for_s), 0.0, []
    for interval_s, value in steps:
        now_s += interval_s
        if change := zone.step(now_s, value):
            kinds.append(change.kind)
            assert change.duration_s <= now_s
            if change.kind == "begin":
                assert value > 0.5
                assert change.duration_s >= for_s
    assert kinds == (["begin", "end"] * len(kinds))[: len(kinds)]
    assert zone.active == (len(kinds) % 2 == 1)

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.streams.dispatch import (
    MOST_WAIT,
    Arrivals,
    Recent,
    Turns,
    filled,
    take_at_s,
    worth_waiting_s,
)


def served(turns: Turns, names: str, images: dict[str, int], total: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    while sum(counts.values()) < total:
        name = turns.order(names)[0]
        turns.serve(name, images.get(name, 1))
        counts[name] += images.get(name, 1)
    return counts


def test_equal_streams_take_turns() -> None:
    turns = Turns()
    order = []
    for _ in range(6):
        order.append(turns.order("abc")[0])
        turns.serve(order[-1], 1)
    assert "".join(order) == "abcabc"


def test_a_tiled_frame_counts_its_tiles() -> None:
    counts = served(Turns(), "ab", {"a": 4}, 400)
    assert counts["a"] == pytest.approx(200, abs=4)


def test_who_was_away_has_no_claim_on_what_it_did_not_use() -> None:
    turns = Turns()
    served(turns, "a", {}, 100)
    counts = served(turns, "ab", {}, 10)
    assert counts == {"a": 5, "b": 5}


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 6), min_size=2),
    st.lists(st.sets(st.sampled_from("abcd"), min_size=1), max_size=60),
)
def test_shares_of_those_that_always_wait_never_differ_by_more_than_a_frame_each(
    images: dict[str, int], absences: list[set[str]]
) -> None:
    turns, had = Turns(), Counter[str]()
    first, second = sorted(images)[:2]  # these always have a frame, the others come and go
    for away in absences:
        name = turns.order(sorted({first, second} | (set(images) - away)))[0]
        turns.serve(name, images[name])
        had[name] += images[name]
        assert abs(had[first] - had[second]) <= images[first] + images[second]


def test_a_batch_is_filled_in_order() -> None:
    assert filled("abc", {"a": 1, "b": 1, "c": 1}, 2) == ["a", "b"]
    assert filled("abc", {"a": 2, "b": 3, "c": 2}, 4) == ["a", "c"]
    assert filled("ab", {"a": 9, "b": 1}, 4) == ["a"]
    assert filled("", {}, 4) == []


def test_a_frame_that_is_nearly_there_is_worth_waiting_for() -> None:
    assert worth_waiting_s(1, 3, [0.01], 0.1, 0.0) == 0.01
    assert worth_waiting_s(1, 3, [0.01, 0.02], 0.1, 0.0) == 0.02
    assert worth_waiting_s(1, 1, [0.01, 0.02], 0.1, 0.0) == 0.01
    assert worth_waiting_s(1, 0, [0.01], 0.1, 0.0) == 0.0


@given(
    st.integers(1, 16),
    st.integers(0, 15),
    st.lists(st.floats(0, 2), max_size=8),
    st.floats(0.001, 1),
    st.floats(0, 1),
)
def test_nobody_waits_longer_than_a_part_of_a_batch(
    ready: int, room: int, due_s: list[float], batch_s: float, waited_s: float
) -> None:
    wait_s = worth_waiting_s(ready, room, due_s, batch_s, waited_s)
    assert wait_s == 0 or wait_s + waited_s <= MOST_WAIT * batch_s


def test_frames_are_taken_as_late_as_they_can_be_prepared() -> None:
    assert 9.97 < take_at_s(10.0, 0.01, 0.1) < 9.99


def test_estimates_follow_the_last_few() -> None:
    recent = Recent()
    assert not recent.known
    assert (recent.least_s, recent.usual_s, recent.most_s) == (0.0, 0.0, 0.0)
    for each in (9, 9, *range(1, 10)):
        recent.add(each)
    assert (recent.least_s, recent.usual_s, recent.most_s) == (1, 5, 9)


def test_a_frame_is_due_after_the_usual_time_and_overdue_soon_after() -> None:
    arrivals = Arrivals()
    assert arrivals.due_in_s(0.0) is None
    for each in (0.0, 1.0, 2.0):
        arrivals.add(each)
    assert arrivals.due_in_s(2.25) == 0.75
    assert arrivals.due_in_s(3.1) == 0.0
    assert arrivals.due_in_s(3.5) is None

"""Latencies of candidates that were timed in different rounds stand in the order that the rounds tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.tune.halving import FIRST_ROUNDS, Round
from edgeseg.tune.latency import latency_of
from edgeseg.tune.timing import Timed


def timed(rounds: Sequence[Round], deciding: int) -> Timed:
    """Take rounds, the last `deciding` of which decided."""
    return Timed(rounds, {}, ("kept",), True, rounds[len(rounds) - deciding :])


def drifting(drift: Sequence[float], **times_ms: float) -> list[Mapping[str, float]]:
    return [{name: ms * factor for name, ms in times_ms.items()} for factor in drift]


def test_who_was_dropped_before_the_machine_slowed_down_is_still_shown_slower() -> None:
    first = drifting([1.0, 1.1, 1.0, 0.9, 1.0, 1.0], kept=40.0, dropped=58.0)
    final = drifting([1.6, 1.7, 1.7, 1.7, 1.8, 1.7], kept=40.0)
    found = timed([*first, *final], len(final))
    kept, dropped = (latency_of(found, name, "kept") for name in ("kept", "dropped"))
    assert (kept.ms, kept.interval_ms) == (pytest.approx(68.0), (64.0, 72.0))
    assert dropped.ms == pytest.approx(68.0 * 58 / 40)
    assert (kept.is_slower, dropped.is_slower) == (False, True)
    assert (kept.rounds, dropped.rounds) == (12, 6)


def test_what_came_before_the_final_says_nothing_of_finalists() -> None:
    disturbed = drifting([1.0] * FIRST_ROUNDS, kept=20.0, other=10.0)
    final = drifting([1.0] * FIRST_ROUNDS, kept=8.0, other=10.0)
    other = latency_of(timed([*disturbed, *final], len(final)), "other", "kept")
    assert (other.ms, other.interval_ms) == (pytest.approx(10.0), pytest.approx((10.0, 10.0)))
    assert other.is_slower


def test_few_rounds_say_nothing_for_sure() -> None:
    found = timed(drifting([1.0] * (FIRST_ROUNDS - 1), kept=1.0, other=9.0), 0)
    other = latency_of(found, "other", "kept")
    assert (other.ms, other.interval_ms, other.is_slower) == (9.0, None, False)


def test_a_candidate_that_was_kept_although_the_final_was_without_it_is_its_own_measure() -> None:
    first = drifting([1.0] * FIRST_ROUNDS, kept=10.0, other=9.0)
    final = drifting([2.0] * FIRST_ROUNDS, other=9.0)
    found = timed([*first, *final], len(final))
    assert [latency_of(found, name, "kept").ms for name in ("kept", "other")] == [10.0, pytest.approx(9.0)]


@given(
    st.lists(st.tuples(st.floats(1, 9), st.floats(1, 9)), min_size=FIRST_ROUNDS, max_size=12),
    st.lists(st.floats(1, 9), min_size=FIRST_ROUNDS, max_size=12),
)
def test_a_slower_one_is_shown_with_a_longer_time(
    first: list[tuple[float, float]], final: list[float]
) -> None:
    rounds: list[Round] = [{"kept": a, "other": b} for a, b in first]
    rounds += [{"kept": a} for a in final]
    found = timed(rounds, len(final))
    kept, other = (latency_of(found, name, "kept") for name in ("kept", "other"))
    assert not other.is_slower or other.ms > kept.ms

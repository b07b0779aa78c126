from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg.runtime.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    shortest = [Backoff().delay_s(failures, 0.0) for failures in range(7)]
    longest = [Backoff().delay_s(failures, 1.0) for failures in range(7)]
    assert shortest == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert longest == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert Backoff().delay_s(2, 0.25) == 2.5


def test_one_pause_for_all_where_the_shortest_is_the_longest() -> None:
    assert [Backoff(2.0, 2.0).delay_s(failures, 0.3) for failures in range(3)] == [2.0, 2.0, 2.0]


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_no_pause_leaves_the_bounds(failures: int, chance: float) -> None:
    assert 0.5 <= Backoff().delay_s(failures, chance) <= 30.0


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)])
def test_bounds_that_make_no_sense_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="0 < first_s <= most_s"):
        Backoff(*bounds)

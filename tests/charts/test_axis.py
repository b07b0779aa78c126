"""Axes: where values stand, and which numbers are written beside them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.charts.axis import Axis, Tick, axis_of

VALUES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20)


def test_a_linear_axis_ends_at_round_numbers() -> None:
    axis = axis_of("ms", [17.2, 29.9])
    assert (axis.low, axis.high) == (15, 30)
    assert [tick.text for tick in axis.ticks()] == ["15", "20", "25", "30"]
    assert axis.place(22.5) == 0.5


def test_a_logarithmic_axis_gives_a_decade_the_same_room_everywhere() -> None:
    axis = Axis("GFLOP/s", 1, 1000, logarithmic=True)
    assert [axis.place(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [tick.text for tick in axis.ticks()] == ["1", "10", "100", "1k"]


@given(VALUES, st.booleans())
def test_every_value_has_its_place_in_order(values: list[float], logarithmic: bool) -> None:
    axis = axis_of("ms", values, logarithmic=logarithmic)
    assert axis.low <= min(values)
    assert max(values) <= axis.high
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)


@given(VALUES, st.booleans())
def test_there_are_ticks_and_few_enough_for_a_phone(values: list[float], logarithmic: bool) -> None:
    axis = axis_of("ms", values, logarithmic=logarithmic)
    ticks = [tick.value for tick in axis.ticks()]
    assert 2 <= len(ticks) <= 9
    assert all(axis.low * (1 - 1e-9) <= tick <= axis.high * (1 + 1e-9) for tick in ticks)


def test_bars_begin_at_zero() -> None:
    assert axis_of("frames", [3, 41], from_zero=True).low == 0


def test_values_that_are_all_the_same_still_have_a_range() -> None:
    for axis in (axis_of("ms", [0.0]), axis_of("ms", [5.0]), axis_of("ms", [5.0], logarithmic=True)):
        assert axis.low < axis.high


def test_beyond_an_end_is_at_the_end() -> None:
    assert Axis("ms", 0, 10).place(99) == 1


def test_own_ticks_are_written_instead() -> None:
    ticks = (Tick(-1, "frame 1"),)
    assert Axis("frame", -2, 0, own_ticks=ticks).ticks() == ticks


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), (0, math.nan), (0, math.inf)])
def test_a_range_without_room_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="from a low value to a higher one"):
        Axis("ms", *ends)


def test_a_logarithmic_axis_has_no_zero() -> None:
    with pytest.raises(ValueError, match="from a low value to a higher one"):
        Axis("ms", 0, 1, logarithmic=True)
    assert axis_of("ms", [0.0, 3.0], logarithmic=True).low > 0
    with pytest.raises(ValueError, match="no value to place"):
        axis_of("ms", [0.0], logarithmic=True)

"""Numbers as a reader takes them in."""

from __future__ import annotations

import pytest

from edgeseg.charts.numbers import short, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.012345, "0.0123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1234"), (0, "0"), (-3.0, "-3.00")],
)
def test_a_figure_has_three_digits_and_all_of_its_whole_ones(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (20, "20"), (3000, "3k"), (1.5e6, "1.5M"), (-2e9, "-2G")]
)
def test_a_round_number_is_short(value: float, text: str) -> None:
    assert short(value) == text

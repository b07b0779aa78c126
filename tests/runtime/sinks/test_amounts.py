from __future__ import annotations

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.sinks.amounts import Amount, parse_amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("90s", Amount(90.0)),
        ("10m", Amount(600.0)),
        ("24h", Amount(86_400.0)),
        ("1.5d", Amount(129_600.0)),
        ("500MB", Amount(None, 500_000_000)),
        ("1.5 gb", Amount(None, 1_500_000_000)),
        ("24h|10GB", Amount(86_400.0, 10_000_000_000)),
        ("2TB | 7d", Amount(604_800.0, 2_000_000_000_000)),
    ],
)
def test_times_and_sizes_are_read(text: str, amount: Amount) -> None:
    assert parse_amount(text, "--keep") == amount


@pytest.mark.parametrize("text", ["", "10", "GB", "-1h", "1w", "1h|2h", "1h,1GB", "0s", "10kB", "1e9s", "|"])
def test_others_are_refused_with_the_options_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--keep "):
        parse_amount(text, "--keep")


def test_a_part_is_a_tenth_of_what_is_kept() -> None:
    assert Amount(86_400.0, 10_000_000_000).part() == Amount(8_640.0, 1_000_000_000)
    assert Amount(2.0, 100_000).part() == Amount(1.0, 100_000)

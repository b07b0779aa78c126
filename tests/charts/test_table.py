"""Tables of texts, numbers and bars."""

from __future__ import annotations

from edgeseg.charts.table import Cell, share_bar, table


def test_numbers_stand_at_the_right_of_texts() -> None:
    made = table(["stage", "ms"], [["infer", Cell("3.1", "3.0–3.2")]])
    assert [cell.get("class") for cell in made.iter("td")] == ["text", "number"]
    assert ["".join(cell.itertext()) for cell in made.iter("td")] == ["infer", "3.13.0–3.2"]
    assert [cell.text for cell in made.iter("th")] == ["stage", "ms"]


def test_a_table_of_many_numbers_is_stacked_on_a_phone() -> None:
    headers = ["node", "ms", "%", "GFLOP/s", "GB/s"]
    assert table(headers, []).get("class") == "stacked columns-4"
    assert table(headers[:3], []).get("class") == "plain"


def test_a_bar_is_as_long_as_its_share() -> None:
    widths = [share_bar(share)[0].get("width") for share in (0.0, 0.25, 2.0)]
    assert widths == ["0.00%", "25.00%", "100.00%"]

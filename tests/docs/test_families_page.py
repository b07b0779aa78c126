"""The page of families has a table of what was measured, whose rows are those of the benchmark."""

from __future__ import annotations

from pathlib import Path

from benchmarks._families_page import read_rows, write_rows
from benchmarks.families import HEADINGS, cases
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "families.md"
KEYS = [("a", "Net", "folder"), ("b", "Net", "folder"), ("b", "Net", "file")]


def row(key: tuple[str, str, str], error: str) -> list[str]:
    return [*key, "certain", "yes", error, "0 %", "not measured"]


def test_a_row_that_was_measured_anew_replaces_its_own_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "families.md"
    page.write_text("# Families\n\nMeasured with edgeseg 0 on nothing yet.\n")
    write_rows(page, HEADINGS, {key: row(key, "1 %") for key in KEYS}, KEYS)
    write_rows(page, HEADINGS, {KEYS[1]: row(KEYS[1], "2 %")}, [KEYS[1], KEYS[0]])
    assert list(read_rows(page).values()) == [row(KEYS[1], "2 %"), row(KEYS[0], "1 %")]
    text = page.read_text()
    assert text.startswith("# Families\n\nMeasured with edgeseg ")
    assert text.count("Measured with") == 1
    assert "torch " in text


def test_every_row_of_the_page_is_of_the_benchmark() -> None:
    known = [case.key for case in cases()]
    assert len(set(known)) == len(known)
    rows = read_rows(PAGE)
    assert set(rows) <= set(known)
    assert all(len(cells) == len(HEADINGS) for cells in rows.values())

"""Blocks of a page are read as they were written, and the words around them stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.parts.standing import BEGIN, END, Block, read_blocks, write_blocks
from tests.docs.blocks import ROOT

RAN = Block("`python -m benchmarks.crf`, 2026-11-26, 12 s", "a  1.0\n\nb  2.0")
NOT_RUN = Block("", "not run: the time was over")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(f"# Above\n\n{BEGIN}\n\nNot run yet.\n\n{END}\n\n### Below\n")
    return path


def test_blocks_are_read_as_they_were_written(page: Path) -> None:
    assert read_blocks(page) == {}
    blocks = {"The CRF: two threads": RAN, "Growth": NOT_RUN}
    for _ in range(2):
        write_blocks(page, "a machine", blocks)
        assert read_blocks(page) == blocks
    text = page.read_text()
    assert text.startswith(f"# Above\n\n{BEGIN}\n\na machine\n\n### The CRF: two threads\n\n`python -m")
    assert text.endswith(f"{END}\n\n### Below\n")
    assert text.count(BEGIN) == 1


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("nothing")
    with pytest.raises(SystemExit, match="has no place for results"):
        write_blocks(page, "a machine", {"Growth": RAN})
    assert page.read_text() == "nothing"


def test_a_page_that_is_not_there_is_made(tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.md"
    assert read_blocks(page) == {}
    write_blocks(page, "a machine", {"Growth": RAN})
    assert read_blocks(page) == {"Growth": RAN}


def test_the_page_of_benchmarks_has_a_place() -> None:
    read_blocks(ROOT / "benchmarks" / "README.md")

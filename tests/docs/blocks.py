"""Turn the Markdown of the README and of docs/ into blocks of commands, and what their marks say of them.

A mark is a comment before a block; several may follow each other:

    <!-- needs: unet.pth street.mp4 -->     run in a folder that holds these; none, where nothing is named
    <!-- says: passed -->                   what its standard output must hold
    <!-- minutes -->                        run by `pytest -m minutes` only
    <!-- run as: 800x1066 -> 192x256 -->    run with this in its place, which takes seconds instead of minutes
    <!-- not run: needs a GPU -->           not run, for this reason
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN_IN = ("sh", "python")  # languages of blocks that can be run; the others show something
MARK = re.compile(r"<!-- (needs|says|not run|run as|minutes)(?::\s*(.*?))? ?-->")
FENCE = re.compile(r"```(\w*)\s*")


@dataclass(frozen=True)
class Block:
    """Commands or lines of Python in a page, and the marks before them."""

    page: str  # its path from the root
    line: int
    language: str
    code: str
    marks: dict[str, str]

    @property
    def needs(self) -> tuple[str, ...]:
        """The files and folders that must be there."""
        return tuple(self.marks.get("needs", "").split())

    @property
    def run_as(self) -> str:
        """The code, with what takes minutes replaced."""
        slow, arrow, fast = self.marks.get("run as", "").partition(" -> ")
        assert bool(arrow) == ("run as" in self.marks), f"{self}: write what -> by what"
        assert slow in self.code, f"{self}: {slow} does not stand there"
        return self.code.replace(slow, fast) if arrow else self.code

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """List the README, the documentation and how to contribute."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Read the blocks of one page that can be run."""
    marks: dict[str, str] = {}
    lines = iter(enumerate(page.read_text().splitlines(), start=1))
    for number, line in lines:
        if match := MARK.fullmatch(line):
            assert match[1] not in marks, f"{page}:{number}: two marks of one kind before a block"
            marks[match[1]] = match[2] or ""
        elif match := FENCE.fullmatch(line.strip()):
            code = []
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                code.append(inner)
            if match[1] in RUN_IN:
                yield Block(str(page.relative_to(ROOT)), number, match[1], "\n".join(code), marks)
            marks = {}
        else:
            assert not marks, f"{page}:{number}: a mark stands right before its block"


ALL = [block for page in pages() for block in blocks(page)]


def distinct() -> list[Block]:
    """Give the blocks to run: what several pages say in the same words, to the same files, once."""
    first: dict[tuple[str, tuple[str, ...]], Block] = {}
    for block in ALL:
        if "needs" in block.marks:
            kept = first.setdefault((block.code, block.needs), block)
            assert kept.marks == block.marks, f"{block}: {kept} has the same code with other marks"
    return list(first.values())

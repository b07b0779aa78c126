"""Read and write what benchmarks measured in a page of Markdown: a block a part, between two marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"
BETWEEN = re.compile(re.escape(BEGIN) + "(.*)" + re.escape(END), re.DOTALL)
BLOCK = re.compile(r"^### ([^\n]+)\n\n(?:(`[^`][^\n]+)\n\n)?```text\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """What a part gave.

    Attributes:
        command: how, when and how long it ran; empty if it did not.
        text: what it printed.
    """

    command: str
    text: str


def read_blocks(page: Path) -> dict[str, Block]:
    """Read the blocks of a page by their titles; a page that is not there has none.

    Exits where the page has no place for them.
    """
    return {
        title: Block(command, text) for title, command, text in BLOCK.findall(_between(_text_of(page), page))
    }


def write_blocks(page: Path, about: str, blocks: Mapping[str, Block]) -> None:
    """Put blocks into a page in place of those that it has, below a line of what was measured on.

    A page that is not there is made.
    """
    text = _text_of(page)
    _between(text, page)
    parts = [about]
    for title, block in blocks.items():
        parts += [f"### {title}", *([block.command] if block.command else []), f"```text\n{block.text}\n```"]
    written = "\n\n".join((BEGIN, *parts, END))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(BETWEEN.sub(lambda _: written, text))


def _text_of(page: Path) -> str:
    return page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"


def _between(text: str, page: Path) -> str:
    found = BETWEEN.search(text)
    if found is None:
        raise SystemExit(f"{page} has no place for results: it wants the lines {BEGIN} and {END}")
    return found[1]

"""Read the small files by which a kernel tells of its machine, in /proc and /sys."""

from __future__ import annotations

from pathlib import Path

MOST_CHARACTERS = 1 << 15  # of one file; of /proc/cpuinfo the first cores suffice


def text_of(path: Path) -> str | None:
    """Read a file; None if it is not there, may not be read, is empty, or its device does not answer."""
    try:
        with path.open(errors="replace") as file:
            return file.read(MOST_CHARACTERS).strip("\0 \n") or None
    except OSError:
        return None


def number_of(path: Path, *, base: int = 10) -> int | None:
    """Read a file of one whole number; None likewise, or if it holds anything else."""
    try:
        return int(text_of(path) or "", base)
    except ValueError:
        return None


def fields_of(path: Path) -> dict[str, int]:
    """Read the lines `name number` of a file; others are passed over, and without the file there are none."""
    lines = (line.split() for line in (text_of(path) or "").splitlines())
    return {
        words[0]: int(words[1])
        for words in lines
        if len(words) == 2 and words[1].isdecimal()  # noqa: PLR2004 - a name and its number
    }

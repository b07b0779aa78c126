"""Read from /proc what a process and its children have taken: memory and processor time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def peak_memory_mb(pid: int) -> float:
    """Sum the most memory that a process and each of its children have had at once."""
    return sum(map(_peak_kb, family(pid))) / 1024


def busy_s(pid: int) -> float:
    """Sum the processor time of a process and its children, in seconds."""
    return sum(map(_ticks, family(pid))) / TICKS_A_SECOND


def family(pid: int) -> Iterator[int]:
    """Give a process and all that it, or a child of it, started and that still run."""
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _text(listed).split():
            yield from family(int(child))


def _peak_kb(pid: int) -> int:
    lines = _text(Path(f"/proc/{pid}/status")).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _ticks(pid: int) -> int:
    values = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, values[11:13]))  # utime, stime


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended

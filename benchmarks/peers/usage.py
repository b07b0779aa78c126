"""Read from /proc what a process and its children have taken: memory and processor time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

NANOSECONDS = 1e9


def peak_memory_mb(pid: int) -> float:
    """Sum the most memory that a process and each of its children have had at once."""
    return sum(map(_peak_kb, family(pid))) / 1024


def busy_s(pid: int) -> float:
    """Sum the processor time of a process and its children, in seconds."""
    return sum(map(_nanoseconds, family(pid))) / NANOSECONDS


def family(pid: int) -> Iterator[int]:
    """Give a process and all that it, or a child of it, started and that still run."""
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _text(listed).split():
            yield from family(int(child))


def _peak_kb(pid: int) -> int:
    lines = _text(Path(f"/proc/{pid}/status")).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _nanoseconds(pid: int) -> int:
    """Sum the time on a core of the threads that run; `stat` would count in hundredths of a second."""
    return sum(int((_text(one).split() or ["0"])[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended

"""Find the processes below a process, and what they hold in memory (Linux)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BYTES_PER_MB = 1 << 20
PARENT = 1  # among the fields of `stat` behind the name in brackets


def below(root: int) -> dict[int, str]:
    """Give the command lines of all processes below one, by their numbers."""
    parents: dict[int, int] = {}
    for place in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[PARENT])
    found: dict[int, str] = {}
    front = {root}
    while front:
        front = {process for process, parent in parents.items() if parent in front} - found.keys()
        found |= {process: _command(process) for process in front}
    return found


def resident_mb(process: int) -> float:
    """Give what a process holds of memory, shared pages included; 0 if it has ended."""
    try:
        return int((PROCESSES / str(process) / "statm").read_text().split()[1]) * PAGE_BYTES / BYTES_PER_MB
    except OSError:
        return 0.0


def is_worker(command: str) -> bool:
    """Whether it is one that segments: of our own processes, or an actor of Ray."""
    return "spawn_main" in command or "MapWorker" in command or "MapBatches" in command


def _command(process: int) -> str:
    try:
        return (
            (PROCESSES / str(process) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""

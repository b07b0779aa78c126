"""Read amounts of memory, and how much this process held, and those that compute for it; also of a GPU."""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from edgeseg.errors import UsageError

OPTION = "max_memory"
SMALLER = "build it with --precision int8 or fp16, export the network at a smaller size, or allow more"
BYTES_PER_MB = 1_000_000
_UNITS = {"mb": BYTES_PER_MB, "gb": 1000 * BYTES_PER_MB, "mib": 1 << 20, "gib": 1 << 30}
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
KIB = 1024
PROCESSES = Path("/proc")  # Linux's
RESET_PEAK = "5"  # for clear_refs, see proc_pid_clear_refs(5)
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


def parse_memory(text: str) -> int:
    """Read an amount of memory in bytes, such as `400MB` or `1.5GB`, decimal, or `512MiB`, of 1024.

    Raises:
        UsageError: if it is none.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]{2,3})", text.strip())
    unit = None if match is None else _UNITS.get(match[2].lower())
    if match is None or unit is None or not float(match[1]):
        raise UsageError(f"{OPTION} {text!r} must be an amount of memory such as 400MB, 1.5GB or 512MiB")
    return int(float(match[1]) * unit)


def in_mb(size_bytes: float) -> str:
    """Write an amount for a person, in decimal megabytes."""
    return f"{size_bytes / BYTES_PER_MB:.0f} MB"


def peak_bytes(*, but: Collection[int] = ()) -> int:
    """Give the most that this process has held so far, and with it each of its children that still run.

    A backend may compute in a process of its own, as MNN's does. Children are known on Linux alone.

    Args:
        but: numbers of children that are left out.
    """
    own = _peak_of("self")
    if own is None:  # elsewhere; on Linux this counts what the process held that started this one, too
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT_BYTES
    return own + sum(_peak_of(str(child)) or 0 for child in _children() if child not in but)


def forget_peak() -> None:
    """Have the peak begin anew with what this process holds now; without effect but on Linux."""
    with suppress(OSError):
        (PROCESSES / "self/clear_refs").write_text(RESET_PEAK)


def gpu_bytes(device: str) -> int | None:
    """Give what an NVIDIA GPU holds for this process and its children at this moment.

    None on the CPU, and where `nvidia-ml-py` is not installed or the driver does not tell, as in a container
    that numbers processes by itself.
    """
    if device == "cpu":
        return None
    own = {os.getpid(), *_children()}
    try:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
        try:
            handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
            running = [each for gpu in handles for each in nvml.nvmlDeviceGetComputeRunningProcesses(gpu)]
        finally:
            nvml.nvmlShutdown()
    except Exception:  # whatever a library of the driver raises, the profile goes on
        return None
    held = [each.usedGpuMemory for each in running if each.pid in own and each.usedGpuMemory is not None]
    return sum(held) if held else None


def _peak_of(process: str) -> int | None:
    """Give the most that a process has held; None where the system does not say, or it has ended."""
    with suppress(OSError):
        if (match := _PEAK.search((PROCESSES / process / "status").read_text())) is not None:
            return int(match[1]) * KIB
    return None


def _children() -> Iterator[int]:
    """Give the numbers of the processes that this one has started, and that run."""
    for listing in PROCESSES.glob("self/task/*/children"):
        with suppress(OSError):  # a thread may end meanwhile
            yield from map(int, listing.read_text().split())

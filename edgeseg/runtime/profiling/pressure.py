"""Count how long tasks waited for memory, processors and disks, and what was swapped, between two moments."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from edgeseg.runtime.profiling.kernel_files import fields_of, text_of

RESOURCES = ("cpu", "memory", "io")
US_PER_S = 1e6
BYTES_PER_MB = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True)
class Pressure:
    """Counters of the whole machine at one moment.

    Attributes:
        at_s: of the monotonic clock.
        stalled_s: how long at least one task waited, by resource (pressure stall information).
        swapped_pages: moved to and from swap; None where it is not counted.
    """

    at_s: float
    stalled_s: dict[str, float]
    swapped_pages: int | None


def read_pressure(root: Path) -> Pressure:
    """Read them; `root` is where `proc` is."""
    totals = {
        name: re.search(r"^some .*total=(\d+)", text_of(root / "proc/pressure" / name) or "")
        for name in RESOURCES
    }
    counted = fields_of(root / "proc/vmstat")
    swaps = [counted.get(name) for name in ("pswpin", "pswpout")]
    return Pressure(
        at_s=time.monotonic(),
        stalled_s={name: int(total[1]) / US_PER_S for name, total in totals.items() if total},
        swapped_pages=None if None in swaps else sum(filter(None, swaps)),
    )


def stalled_percent(before: Pressure, after: Pressure) -> dict[str, float]:
    """Give the share of the time between two moments in which a task waited, by resource."""
    seconds = after.at_s - before.at_s
    return {
        name: min(100.0, 100 * (stalled_s - before.stalled_s[name]) / seconds)
        for name, stalled_s in after.stalled_s.items()
        if name in before.stalled_s and seconds > 0
    }


def swapped_mb(before: Pressure, after: Pressure) -> float | None:
    """Give what was moved to and from swap between two moments, in MiB."""
    if before.swapped_pages is None or after.swapped_pages is None:
        return None
    return (after.swapped_pages - before.swapped_pages) * PAGE_BYTES / BYTES_PER_MB

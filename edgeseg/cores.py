"""Count the processor cores that this process may use: its affinity, and the quotas of its control groups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MEMBERSHIP = Path("/proc/self/cgroup")  # lines of `hierarchy:controllers:group`, see cgroups(7)
GROUPS = Path("/sys/fs/cgroup")  # where containers and service managers mount them
CONTROLLER = "cpu"  # of version 1 of control groups; version 2 has one hierarchy for all


def usable_cores() -> int:
    """Count them; a part of a core, which a quota may allow, counts as one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(min(_quotas(), default=allowed))))


def _quotas() -> Iterator[float]:
    """Give how many cores each group around this process allows, as far as it has a limit."""
    for folder in _groups():
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                yield int(quota) / int(period)
        with suppress(OSError, ValueError):
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:
                yield int(quota) / int(period)


def _groups() -> Iterator[Path]:
    """Give the folders of this process's groups, and of those around them."""
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and CONTROLLER not in controllers.split(","):
            continue
        root = GROUPS / CONTROLLER if controllers else GROUPS
        place = root / group.strip("/")
        yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(root))

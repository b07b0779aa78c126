"""Count the processor cores that this process may use: its affinity, and the quotas of its control groups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/")  # of the files by which a kernel tells of its machine
MEMBERSHIP = "proc/self/cgroup"  # lines of `hierarchy:controllers:group`, see cgroups(7)
GROUPS = "sys/fs/cgroup"  # where containers and service managers mount them
CONTROLLER = "cpu"  # of version 1 of control groups; version 2 has one hierarchy for all


def allowed_cores() -> tuple[int, ...]:
    """Number the logical cores of this process's affinity."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Count them; a part of a core, which a quota may allow, counts as one."""
    allowed = len(allowed_cores())
    quotas = (quota for group in control_groups(ROOT) if (quota := quota_of(group)) is not None)
    return max(1, min(allowed, math.ceil(min(quotas, default=allowed))))


def quota_of(group: Path) -> float | None:
    """Tell how many cores the group in this folder allows; None without a limit."""
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        if quota != "max":
            return int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if int(quota) > 0:
            return int(quota) / int(period)
    return None


def control_groups(root: Path) -> Iterator[Path]:
    """Give the folders of this process's groups, and of those around them; `root` holds `proc` and `sys`."""
    try:
        lines = (root / MEMBERSHIP).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and CONTROLLER not in controllers.split(","):
            continue
        top = root / GROUPS / CONTROLLER if controllers else root / GROUPS
        place = top / group.strip("/")
        yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(top))

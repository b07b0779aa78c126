"""Count who had the processor's time between two moments: this process, others, a hypervisor, or a quota."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.cores import control_groups, quota_of
from edgeseg.runtime.profiling.kernel_files import fields_of, text_of

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
US_PER_S = 1e6
NS_PER_S = 1e9
SHORTEST_S = 0.5  # the counters tick a hundred times a second: less time is too few ticks for a share of them


@dataclass(frozen=True)
class Throttled:
    """How long a control group's quota stopped its threads, and how long they ran; seconds, added up."""

    stopped_s: float
    ran_s: float | None


@dataclass(frozen=True)
class ProcessorTime:
    """Counters at one moment, in seconds since the machine or the process began.

    Attributes:
        at_s: of the monotonic clock.
        busy_s: of all programs and the kernel, on the cores; None without /proc/stat.
        stolen_s: likewise, in which a hypervisor let others run.
        idle_s: likewise, in which nothing did.
        own_s: of this process, its children, and theirs.
        threads_s: how long each of their threads ran, and waited for a core while it could have.
        groups: of the control groups around this process that have a quota.
    """

    at_s: float
    busy_s: float
    stolen_s: float
    idle_s: float
    own_s: float
    threads_s: dict[int, tuple[float, float]]
    groups: dict[Path, Throttled]


@dataclass(frozen=True)
class Shares:
    """Percentages between two moments; None where the machine does not tell, or the time was too short."""

    others: float | None
    steal: float | None
    waiting: float | None
    held_back: float | None


def read_processor_time(root: Path, cores: Sequence[int]) -> ProcessorTime:
    """Read all counters; `root` is where `proc` and `sys` are."""
    busy, stolen, idle = _ticks(root / "proc/stat", frozenset(cores))
    family = list(_family(root / "proc", "self"))
    return ProcessorTime(
        at_s=time.monotonic(),
        busy_s=busy / TICKS_PER_S,
        stolen_s=stolen / TICKS_PER_S,
        idle_s=idle / TICKS_PER_S,
        own_s=sum(_process_ticks(process) for process in family) / TICKS_PER_S,
        threads_s={thread: times for process in family for thread, times in _threads(process)},
        groups={group: throttled for group in control_groups(root) if (throttled := _throttled(group))},
    )


def time_of(root: Path, process: int) -> float:
    """Give the seconds that a process took, its children, and theirs; 0 once it is gone."""
    return sum(map(_process_ticks, _family(root / "proc", str(process)))) / TICKS_PER_S


def quota_cores(root: Path) -> float | None:
    """Tell the least number of cores that a group around this process allows; None without a quota."""
    quotas = map(quota_of, control_groups(root))
    return min((quota for quota in quotas if quota is not None), default=None)


def shares(before: ProcessorTime, after: ProcessorTime, cores: int) -> Shares:
    """Say who had how much of the time between two moments on this many cores."""
    seconds = after.at_s - before.at_s
    own_s = after.own_s - before.own_s
    busy_s, stolen_s = after.busy_s - before.busy_s, after.stolen_s - before.stolen_s
    counted = busy_s + stolen_s + after.idle_s - before.idle_s
    known = seconds >= SHORTEST_S and counted > 0
    capacity_s = seconds * cores
    return Shares(
        others=_percent(busy_s - own_s, capacity_s) if known else None,
        steal=_percent(stolen_s, capacity_s) if known else None,
        waiting=_waiting(before, after),
        held_back=_held_back(before, after, own_s) if seconds >= SHORTEST_S else None,
    )


def _waiting(before: ProcessorTime, after: ProcessorTime) -> float | None:
    ran_s = waited_s = 0.0
    for thread, (ran, waited) in after.threads_s.items():
        ran_before, waited_before = before.threads_s.get(thread, (0.0, 0.0))
        ran_s += ran - ran_before
        waited_s += waited - waited_before
    wanted_s = ran_s + waited_s
    return _percent(waited_s, wanted_s) if wanted_s > 0 else None


def _held_back(before: ProcessorTime, after: ProcessorTime, own_s: float) -> float | None:
    """Give the share of the group that stood still the most.

    The kernel adds up the time of all threads, on each core; so is the time that they ran. Their ratio is
    that of the wall time, however many threads there are.
    """
    held = []
    for group, end in after.groups.items():
        start = before.groups.get(group, Throttled(0.0, 0.0))
        ran_s = own_s if end.ran_s is None or start.ran_s is None else end.ran_s - start.ran_s
        stopped_s = end.stopped_s - start.stopped_s
        held.append(_percent(stopped_s, stopped_s + ran_s) if stopped_s > 0 else 0.0)
    return max(held, default=None)


def _percent(part: float, whole: float) -> float:
    return min(100.0, max(0.0, 100 * part / whole))


def _ticks(path: Path, cores: frozenset[int]) -> tuple[int, int, int]:
    """Add up the busy, stolen and idle ticks of some cores, see proc_stat(5)."""
    busy = stolen = idle = 0
    for line in (text_of(path) or "").splitlines():
        name, *columns = line.split()
        if not name.startswith("cpu") or not name[3:].isdecimal() or int(name[3:]) not in cores:
            continue
        user, nice, system, at_rest, waiting, *rest = (*map(int, columns), 0, 0, 0)
        busy += user + nice + system
        idle += at_rest + waiting
        stolen += rest[2]  # after irq and softirq
    return busy, stolen, idle


def _family(processes: Path, first: str) -> Iterator[Path]:
    """Give the folders of a process and of all that it started."""
    waiting = [processes / first]
    while waiting:
        process = waiting.pop()
        yield process
        for listing in process.glob("task/*/children"):
            waiting += [processes / child for child in (text_of(listing) or "").split()]


def _process_ticks(process: Path) -> int:
    """Give the ticks of a process, and of its children that have ended, see proc_pid_stat(5)."""
    after_name = (text_of(process / "stat") or "").rpartition(")")[2].split()
    return sum(map(int, after_name[11:15]))


def _threads(process: Path) -> Iterator[tuple[int, tuple[float, float]]]:
    """Give the time that each thread of a process ran, and waited for a core."""
    for path in process.glob("task/*/schedstat"):
        ran, waited, *_ = (*map(int, (text_of(path) or "0 0").split()), 0, 0)
        yield int(path.parent.name), (ran / NS_PER_S, waited / NS_PER_S)


def _throttled(group: Path) -> Throttled | None:
    """Read the counters of one group, of version 2 or 1 of control groups; None without a quota."""
    counters = fields_of(group / "cpu.stat")
    if quota_of(group) is None:
        return None
    if "throttled_usec" in counters:
        return Throttled(counters["throttled_usec"] / US_PER_S, counters.get("usage_usec", 0) / US_PER_S)
    if "throttled_time" in counters:
        return Throttled(counters["throttled_time"] / NS_PER_S, None)
    return None

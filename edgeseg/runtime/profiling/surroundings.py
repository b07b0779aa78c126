"""What surrounded a measurement (clocks, heat, quotas, other programs), and what of it disturbed the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["others", "steal", "quota", "clock", "throttling", "memory"]


@dataclass(frozen=True)
class Spread:
    """Least, median and largest of the samples of one sensor, in the unit of the field that holds it."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Disturbance:
    """Something outside the engine that changed how long it took.

    Attributes:
        kind: `others`, other programs that ran; `steal`, other virtual machines; `quota`, of a control group;
            `clock`, that fell; `throttling`, that the processor or the board reported; `memory`, that was
            short.
        text: what happened and by how much, such as `others took 31 % of the cores`.
        percent: the same as a number: of the time, of the cores, or of the clock; None if it was counted.
    """

    kind: Kind
    text: str
    percent: float | None


@dataclass(frozen=True)
class Surroundings:
    """What the machine told while a run was watched; None stands for what it does not tell.

    Attributes:
        seconds: how long it was watched.
        samples: how often sensors were read; counters are read at both ends.
        watching_percent: processor time that the watching itself took, of one core.
        cores: the logical cores that this process may use; shares of cores are of these.
        clock_mhz: of the fastest of these cores, which is one that computes.
        clock_limit_mhz: the highest clock that they may reach.
        gpu_clock_mhz: of the fastest GPU, if the engine runs on NVIDIA's and `nvidia-ml-py` is installed.
        governor: what sets the clock, such as `performance` or `schedutil`.
        temperatures_c: by name of the sensor.
        throttling: what was reported while it was watched, by name, and how often (of a flag, in how many
            samples); empty if there are counters or flags and none rose.
        others_percent: processor time of all but this process and its children, of the cores.
        steal_percent: time in which the hypervisor let other virtual machines run, of the cores.
        waiting_percent: how long threads of this process waited for a core, of the time they wanted to run.
        quota_cores: the least that a control group around this process allows; None without a quota.
        held_back_percent: how long the quota held threads back, of the time they wanted to run.
        pressure_percent: how long at least one task of the machine waited for `cpu`, `memory` or `io` (PSI).
        swapped_mb: moved to and from swap by the whole machine, in MiB.
        huge_pages: when memory comes in transparent huge pages: `always`, `madvise` or `never`.
    """

    seconds: float
    samples: int
    watching_percent: float
    cores: tuple[int, ...]
    clock_mhz: Spread | None
    clock_limit_mhz: float | None
    gpu_clock_mhz: Spread | None
    governor: str | None
    temperatures_c: dict[str, Spread]
    throttling: dict[str, int] | None
    others_percent: float | None
    steal_percent: float | None
    waiting_percent: float | None
    quota_cores: float | None
    held_back_percent: float | None
    pressure_percent: dict[str, float]
    swapped_mb: float | None
    huge_pages: str | None
    disturbances: tuple[Disturbance, ...]

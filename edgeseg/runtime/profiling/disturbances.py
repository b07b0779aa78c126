"""Say in words what disturbed a run, and by how much, from what the machine told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from edgeseg.runtime.profiling.surroundings import Disturbance, Surroundings

# Below these shares, in percent, a run counts as undisturbed.
OTHERS_PERCENT = 5.0  # a desktop at rest takes one to three
WAITING_PERCENT = 5.0  # if others ran at all: threads of an engine also wait for each other
OTHERS_AT_ALL_PERCENT = 1.0
STEAL_PERCENT = 1.0
HELD_BACK_PERCENT = 1.0
MEMORY_PERCENT = 1.0
SWAPPED_MB = 1.0
CLOCK_FALL_PERCENT = 10.0
WINDOW = 5  # samples: a clock that is lower for a moment has not fallen
MHZ_PER_GHZ = 1000.0


def disturbances(seen: Surroundings, clocks_mhz: Sequence[float]) -> tuple[Disturbance, ...]:
    """Name them, the gravest kinds first.

    Args:
        seen: whose own `disturbances` are not looked at.
        clocks_mhz: of the processor, in the order of the samples.
    """
    return (
        *_quota(seen),
        *_others(seen),
        *_steal(seen),
        *_throttling(seen),
        *_clock(clocks_mhz),
        *_memory(seen),
    )


def _quota(seen: Surroundings) -> Iterator[Disturbance]:
    if seen.held_back_percent is not None and seen.held_back_percent >= HELD_BACK_PERCENT:
        cores = "" if seen.quota_cores is None else f" of {seen.quota_cores:g} {_cores(seen.quota_cores)}"
        text = f"the control group's quota{cores} held it back {seen.held_back_percent:.0f} % of the time"
        yield Disturbance("quota", text, seen.held_back_percent)


def _others(seen: Surroundings) -> Iterator[Disturbance]:
    others, waiting = seen.others_percent, seen.waiting_percent or 0.0
    if (seen.held_back_percent or 0.0) >= HELD_BACK_PERCENT:
        waiting = 0.0  # for the quota: the kernel counts that as waiting for a core, too
    if others is None:
        return
    waited = waiting >= WAITING_PERCENT and others >= OTHERS_AT_ALL_PERCENT
    if others >= OTHERS_PERCENT or waited:
        text = f"other programs took {others:.0f} % of the {len(seen.cores)} {_cores(len(seen.cores))}"
        if waited:
            text += f"; its threads waited {waiting:.0f} % of their time for a core"
        yield Disturbance("others", text, others)


def _steal(seen: Surroundings) -> Iterator[Disturbance]:
    if seen.steal_percent is not None and seen.steal_percent >= STEAL_PERCENT:
        text = f"other virtual machines took {seen.steal_percent:.0f} % of the cores (steal)"
        yield Disturbance("steal", text, seen.steal_percent)


def _throttling(seen: Surroundings) -> Iterator[Disturbance]:
    if seen.throttling:
        counts = ", ".join(f"{name} ({count} times)" for name, count in seen.throttling.items())
        hottest = max((spread.high for spread in seen.temperatures_c.values()), default=None)
        heat = "" if hottest is None else f", at up to {hottest:.0f} °C"
        yield Disturbance("throttling", f"the machine reported throttling: {counts}{heat}", None)


def _clock(clocks_mhz: Sequence[float]) -> Iterator[Disturbance]:
    """Find the deepest fall from a clock that was held before."""
    held = [median(clocks_mhz[i : i + WINDOW]) for i in range(len(clocks_mhz) - WINDOW + 1)]
    highest, deepest = 0.0, (0.0, 0.0, 0.0)
    for clock in held:
        highest = max(highest, clock)
        deepest = max(deepest, (100 * (1 - clock / highest), highest, clock))
    fall, before, after = deepest
    if fall >= CLOCK_FALL_PERCENT:
        text = f"the clock fell from {before / MHZ_PER_GHZ:.1f} to {after / MHZ_PER_GHZ:.1f} GHz"
        yield Disturbance("clock", text, fall)


def _memory(seen: Surroundings) -> Iterator[Disturbance]:
    stalled, swapped = seen.pressure_percent.get("memory", 0.0), seen.swapped_mb or 0.0
    parts = []
    if stalled >= MEMORY_PERCENT:
        parts.append(f"programs waited {stalled:.0f} % of the time for it")
    if swapped >= SWAPPED_MB:
        parts.append(f"{swapped:.0f} MiB were swapped")
    if parts:
        yield Disturbance("memory", f"memory was short: {' and '.join(parts)}", stalled or None)


def _cores(count: float) -> str:
    return "core" if count == 1 else "cores"

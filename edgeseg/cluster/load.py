"""Measure what a node has for cameras, and what each of them takes, in cores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeseg.cluster.proof import Proofs
from edgeseg.cores import allowed_cores, usable_cores
from edgeseg.runtime.profiling.processor_time import ProcessorTime, read_processor_time
from edgeseg.runtime.status import DropCause, StreamStatus

SHORTEST_S = 2.0  # between two measurements: the counters tick a hundred times a second
MOST_TIMES = 4.0  # that a camera which loses frames is taken to want of what it has
LOST = (DropCause.BUSY, DropCause.SHED)  # for want of time


@dataclass(frozen=True)
class Load:
    """Cores, as they were over the last seconds.

    Attributes:
        cores: that are idle or the cameras' own: what they could have.
        used: by this process and those that compute for it.
        cameras: what each wants: its part of `used`, by the time that its stages took, and more by the share
            of frames that it lost because there was no time.
    """

    cores: float
    used: float = 0.0
    cameras: Mapping[str, float] = field(default_factory=dict)


class Meter:
    """Measures again and again.

    Args:
        most: cores that may be used at most, as the cluster says of this node.
        proofs: whose time counts as idle: cameras go before them.
    """

    def __init__(self, most: float, proofs: Proofs | None = None) -> None:
        self._most = min(most, usable_cores())
        self._proofs = proofs or Proofs()
        self._before: tuple[ProcessorTime, float] | None = None
        self._cameras: dict[str, StreamStatus] = {}
        self.load = Load(self._most)

    def measure(self, cameras: Sequence[StreamStatus]) -> None:
        """Renew `load`, unless the last measurement is too near."""
        before = self._before
        if before is not None and time.monotonic() - before[0].at_s < SHORTEST_S:
            return
        cores = allowed_cores()
        now, proofs_s = self._proofs.measure(lambda: read_processor_time(Path("/"), cores))
        if before is not None:
            last, proofs_before_s = before
            seconds = now.at_s - last.at_s
            of_proofs = max(proofs_s - proofs_before_s, 0.0) / seconds
            used = max((now.own_s - last.own_s) / seconds - of_proofs, 0.0)
            idle = max(now.idle_s - last.idle_s, 0.0) / seconds + of_proofs
            free = min(used + idle, self._most) if now.idle_s > 0 else self._most
            self.load = Load(max(free, used), used, shared(used, self._cameras, cameras))
        self._before = now, proofs_s
        self._cameras = {one.name: one for one in cameras}


def shared(
    used: float, before: Mapping[str, StreamStatus], cameras: Sequence[StreamStatus]
) -> dict[str, float]:
    """Give each camera its part of the cores that all took, and what it lacks."""
    busy_ms, times = {}, {}
    for now in cameras:
        last = before.get(now.name)
        results = now.results - (0 if last is None else last.results)
        lost = _lost(now) - (0 if last is None else _lost(last))
        busy_ms[now.name] = max(results, 0) * sum(stage.p50 for stage in now.stages.values())
        times[now.name] = min(1 + max(lost, 0) / results, MOST_TIMES) if results > 0 else 1.0
    whole = sum(busy_ms.values())
    return {name: times[name] * (used * own / whole if whole else 0.0) for name, own in busy_ms.items()}


def _lost(status: StreamStatus) -> int:
    return sum(status.source.drops.get(cause, 0) for cause in LOST)

"""Watch the machine beside a run, in a thread that reads few small files a few times a second."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType

from edgeseg.runtime.profiling.energy import Energy
from edgeseg.runtime.profiling.surroundings import Surroundings

PERIOD_S = 0.25
ROOT = Path("/")  # of the files by which a kernel tells of the machine


class Watch:
    """Reads the machine's state within a `with` block, which begins and ends with the run.

    Args:
        period_s: time between samples.
        root: where `proc` and `sys` are.
    """

    def __init__(self, *, period_s: float = PERIOD_S, root: Path = ROOT) -> None:
        self._period_s = period_s
        self._root = root
        self._started_s = self._ended_s = time.monotonic()

    def __enter__(self) -> Watch:
        self._started_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended_s = time.monotonic()

    def surroundings(self) -> Surroundings:
        """Tell what was seen in the block, once it has ended."""
        return Surroundings(
            seconds=self._ended_s - self._started_s,
            samples=0,
            watching_percent=0.0,
            cores=tuple(sorted(os.sched_getaffinity(0))),
            clock_mhz=None,
            clock_limit_mhz=None,
            governor=None,
            temperatures_c={},
            throttling=None,
            others_percent=None,
            steal_percent=None,
            waiting_percent=None,
            quota_cores=None,
            held_back_percent=None,
            pressure_percent={},
            swapped_mb=None,
            huge_pages=None,
            disturbances=(),
        )

    def energy(self) -> Energy | None:
        """Tell what the block took; None where no meter is, or none that may be read."""
        return None

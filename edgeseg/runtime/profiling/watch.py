"""Watch the machine beside a run, in a thread that reads few small files a few times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import TracebackType

from edgeseg.cores import ROOT, allowed_cores
from edgeseg.runtime.profiling import pressure
from edgeseg.runtime.profiling.disturbances import disturbances
from edgeseg.runtime.profiling.energy import Energy, Meter, energy_of, meters
from edgeseg.runtime.profiling.nvml import GpuMeter, Gpus
from edgeseg.runtime.profiling.processor_time import quota_cores, read_processor_time, shares
from edgeseg.runtime.profiling.sensors import Sensors, huge_pages
from edgeseg.runtime.profiling.surroundings import Spread, Surroundings

PERIOD_S = 0.25
NVIDIA = ("cuda", "tensorrt", "tensorrt_rtx")  # devices of engines that NVML tells of


class Watch:
    """Reads the machine's state within a `with` block, which begins and ends with the run.

    A sample is taken at each end and every `period_s` between, by a thread of its own; its processor time is
    reported with the rest. It counts as this process's, not as that of others.

    Args:
        device: of the engine; NVIDIA's GPUs are asked only if it runs there, since asking wakes them.
        period_s: time between samples.
        root: where `proc` and `sys` are.
    """

    def __init__(self, device: str = "cpu", *, period_s: float = PERIOD_S, root: Path = ROOT) -> None:
        self._on_gpu = device in NVIDIA
        self._period_s = period_s
        self._root = root
        self._cores = allowed_cores()
        self._end = threading.Event()

    def __enter__(self) -> Watch:
        self._sensors = Sensors(self._root, self._cores)
        self._gpus = Gpus() if self._on_gpu else None
        self._clocks_mhz: list[float] = []
        self._gpu_clocks_mhz: list[float] = []
        self._temperatures_c: dict[str, list[float]] = {}
        self._flags: dict[str, int] = {}
        self._samples = 0
        self._sampled_s = 0.0
        self._watching_s = 0.0
        self._counts = self._sensors.throttling_counts()
        self._pressure = pressure.read_pressure(self._root)
        self._time = read_processor_time(self._root, self._cores)
        self._meters: list[Meter] = meters(self._root, self._time.at_s)
        if self._gpus is not None:
            self._meters += [GpuMeter(self._gpus, name) for name in self._gpus.joules()]
        self._thread = threading.Thread(target=self._watch, name="edgeseg-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        after = read_processor_time(self._root, self._cores)
        self._end.set()
        self._thread.join()
        self._seconds = after.at_s - self._time.at_s
        self._shares = shares(self._time, after, len(self._cores))
        self._pressure_after = pressure.read_pressure(self._root)
        self._counts_after = self._sensors.throttling_counts()
        if self._gpus is not None:
            self._gpus.close()

    def surroundings(self) -> Surroundings:
        """Tell what was seen in the block, once it has ended."""
        seen = Surroundings(
            seconds=self._seconds,
            samples=self._samples,
            watching_percent=100 * self._watching_s / self._seconds,
            cores=self._cores,
            clock_mhz=_spread(self._clocks_mhz),
            clock_limit_mhz=self._sensors.clock_limit_mhz(),
            gpu_clock_mhz=_spread(self._gpu_clocks_mhz),
            governor=self._sensors.governor(),
            temperatures_c={
                name: spread for name, values in self._temperatures_c.items() if (spread := _spread(values))
            },
            throttling=self._throttling(),
            others_percent=self._shares.others,
            steal_percent=self._shares.steal,
            waiting_percent=self._shares.waiting,
            quota_cores=quota_cores(self._root),
            held_back_percent=self._shares.held_back,
            pressure_percent=pressure.stalled_percent(self._pressure, self._pressure_after),
            swapped_mb=pressure.swapped_mb(self._pressure, self._pressure_after),
            huge_pages=huge_pages(self._root),
            disturbances=(),
        )
        return replace(seen, disturbances=disturbances(seen, self._clocks_mhz))

    def energy(self) -> Energy | None:
        """Tell what the block took; None where no meter is, or none that may be read."""
        return energy_of(self._meters, self._sampled_s - self._time.at_s)

    def _watch(self) -> None:
        self._sample()
        while not self._end.wait(self._period_s):
            self._sample()
        self._sample()
        self._watching_s = time.thread_time()

    def _sample(self) -> None:
        self._samples += 1
        self._sampled_s = time.monotonic()
        for meter in self._meters:
            meter.read(self._sampled_s)
        _keep(self._clocks_mhz, self._sensors.clock_mhz())
        temperatures_c, flags = self._sensors.temperatures_c(), self._sensors.throttling_flags()
        if self._gpus is not None:
            _keep(self._gpu_clocks_mhz, self._gpus.clock_mhz())
            temperatures_c |= self._gpus.temperatures_c()
            flags |= self._gpus.throttling_flags()
        for name, value in temperatures_c.items():
            self._temperatures_c.setdefault(name, []).append(value)
        for name, is_set in flags.items():
            self._flags[name] = self._flags.get(name, 0) + is_set

    def _throttling(self) -> dict[str, int] | None:
        """Put flags and counters together; None if there are neither."""
        if not self._flags and not self._counts_after:
            return None
        risen = {name: count - self._counts.get(name, count) for name, count in self._counts_after.items()}
        names = dict.fromkeys((*self._flags, *risen))
        seen = {name: max(self._flags.get(name, 0), risen.get(name, 0)) for name in names}
        return {name: count for name, count in seen.items() if count > 0}


def _keep(values: list[float], value: float | None) -> None:
    if value is not None:
        values.append(value)


def _spread(values: Iterable[float]) -> Spread | None:
    ordered = sorted(values)
    return Spread(ordered[0], median(ordered), ordered[-1]) if ordered else None

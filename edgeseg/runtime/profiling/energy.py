"""Measure what a run takes in energy, by the meters of the machine: RAPL, and the sensors of boards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeseg.runtime.profiling.kernel_files import number_of, text_of

UJ_PER_J = UW_PER_W = 1e6
MJ_PER_J = 1e3
UW_PER_MW = 1e-6  # of millivolt times milliampere, in watts
ENTRANCE = "VDD_IN"  # of Jetson boards that measure it; their other rails lie behind it
METERING_CHIPS = re.compile(r"ina\d+|amd_energy")  # others, such as ACPI's, take long to answer


@dataclass(frozen=True)
class Rail:
    """One meter, and what it counted while it was watched.

    Attributes:
        name: as the machine calls it, such as `package-0`, `VDD_IN` or the name of a GPU.
        meter: what told it: `powercap` (RAPL), `hwmon` (a sensor of the board) or `nvml`.
        joules: energy; of a sensor that tells power, integrated over the samples.
        within: the rail that counts this one's energy too; None if it stands for itself.
    """

    name: str
    meter: str
    joules: float
    within: str | None


@dataclass(frozen=True)
class Energy:
    """What the whole machine took while it was watched, other programs and what it takes at rest included.

    Attributes:
        seconds: how long.
        joules: of all rails that are not part of another.
        mean_w: the same by time, in watts.
        rails: each meter.
    """

    seconds: float
    joules: float
    mean_w: float
    rails: tuple[Rail, ...]


class Meter(Protocol):
    """Adds up the energy of one rail; it is read at the begin, a few times a second, and at the end."""

    name: str
    meter: str
    within: str | None
    joules: float

    def read(self, at_s: float) -> bool:
        """Add what was taken since the last reading, and tell whether the meter answered.

        Args:
            at_s: now, of the monotonic clock.
        """


class EnergyCounter:
    """A file that counts microjoules and begins again at zero after `range_uj`."""

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        meter: str,
        within: str | None = None,
        range_uj: int | None = None,
    ) -> None:
        self.name, self.meter, self.within = name, meter, within
        self.joules = 0.0
        self._path = path
        self._range_uj = range_uj
        self._last_uj: int | None = None

    def read(self, at_s: float) -> bool:
        """Add what was counted since the last reading."""
        count_uj = number_of(self._path)
        if count_uj is None:
            return False
        if self._last_uj is not None:
            taken_uj = count_uj - self._last_uj
            if taken_uj < 0:
                taken_uj += self._range_uj or 0
            self.joules += max(0, taken_uj) / UJ_PER_J
        self._last_uj = count_uj
        return True


class PowerSensor:
    """Files that tell microwatts, or millivolts and milliamperes; their power is integrated over time."""

    def __init__(self, paths: tuple[Path, ...], name: str, *, within: str | None) -> None:
        self.name, self.meter, self.within = name, "hwmon", within
        self.joules = 0.0
        self._paths = paths
        self._last: tuple[float, float] | None = None  # moment, and watts

    def read(self, at_s: float) -> bool:
        """Add the mean of this power and the last, times the time between (the trapezoid's rule)."""
        values = [number_of(path) for path in self._paths]
        known = [value for value in values if value is not None]
        if len(known) < len(self._paths):
            return False
        watts = known[0] / UW_PER_W if len(known) == 1 else known[0] * known[1] * UW_PER_MW
        if self._last is not None:
            self.joules += (at_s - self._last[0]) * (watts + self._last[1]) / 2
        self._last = at_s, watts
        return True


def meters(root: Path, at_s: float) -> list[Meter]:
    """Find the meters that answer, and read them for the first time; `root` is where `sys` is.

    Counters of RAPL may be read by root alone since Linux 5.10; where they may not, they are passed over.
    """
    found: list[Meter] = [*_powercap(root), *_hwmon(root)]
    return [meter for meter in found if meter.read(at_s)]


def energy_of(read: list[Meter], seconds: float) -> Energy | None:
    """Sum up what meters have counted in so many seconds; None without meters."""
    if not read or seconds <= 0:
        return None
    names = {meter.name for meter in read}
    rails = tuple(
        Rail(meter.name, meter.meter, meter.joules, meter.within if meter.within in names else None)
        for meter in read
    )
    joules = sum(rail.joules for rail in rails if rail.within is None)
    return Energy(seconds, joules, joules / seconds, rails)


def _powercap(root: Path) -> list[Meter]:
    """Find RAPL's zones: packages, with their parts below them, memory, and the whole platform (psys).

    The kernel nests the zone of the memory below its package, which does not count it, see
    Documentation/power/powercap and Intel's manual, volume 3B, 16.10.
    """
    zones = sorted(root.glob("sys/class/powercap/intel-rapl:*"))
    names = {zone.name: text_of(zone / "name") or zone.name for zone in zones}
    platform = next((name for name in names.values() if name == "psys"), None)
    found: list[Meter] = []
    for zone in zones:
        name, above = names[zone.name], names.get(zone.name.rpartition(":")[0])
        inside = above if above is not None and name != "dram" else platform
        found.append(
            EnergyCounter(
                zone / "energy_uj",
                f"{above} {name}" if above is not None else name,
                meter="powercap",
                within=None if name == platform else inside,
                range_uj=number_of(zone / "max_energy_range_uj"),
            )
        )
    return found


def _hwmon(root: Path) -> list[Meter]:
    """Find the power sensors of boards, such as the INA3221 of a Jetson."""
    found: list[Meter] = []
    for chip in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if not METERING_CHIPS.fullmatch(chip_name := text_of(chip / "name") or ""):
            continue
        labels = {
            path.name.removesuffix("_label"): text_of(path) or "" for path in sorted(chip.glob("in*_label"))
        }
        for channel, label in labels.items():
            paths = chip / f"{channel}_input", chip / f"curr{channel[2:]}_input"
            if all(path.exists() for path in paths):
                found.append(PowerSensor(paths, label, within=None if label == ENTRANCE else ENTRANCE))
        for kind in ("power", "energy"):
            for path in sorted(chip.glob(f"{kind}*_input")):
                own = text_of(path.with_name(path.name.replace("_input", "_label")))
                name = own or f"{chip_name} {path.name.partition('_')[0]}"
                found.append(
                    PowerSensor((path,), name, within=None)
                    if kind == "power"
                    else EnergyCounter(path, name, meter="hwmon")
                )
    return found

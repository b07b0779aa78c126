"""Read clocks, temperatures and throttling of a processor and its board, as Linux tells of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgeseg.runtime.profiling.kernel_files import number_of, text_of

KHZ_PER_MHZ = 1000.0
MILLIDEGREES = 1000.0
MOST_SENSORS = 16  # of one kind are read, so that a sample takes as long on a machine of 128 cores

# Sensors of processors alone: others (of disks, batteries, keyboards' controllers) take long to answer, and
# reading some of them stops the machine meanwhile.
CHIPS = re.compile(r"coretemp|k10temp|zenpower|cpu|soc|gpu", re.IGNORECASE)
ZONES = re.compile(r"cpu|gpu|soc|tj|x86_pkg_temp|package|little|big", re.IGNORECASE)
COOLING_BY_CLOCK = re.compile(
    r"processor|thermal-cpufreq|thermal-devfreq|cpufreq|cpu-throttle", re.IGNORECASE
)
CLOCK = re.compile(r"\d+\.\d{3}")  # in MHz, as /proc/cpuinfo gives it
OVER_CURRENT = re.compile(r"oc\d+_event_cnt")  # of NVIDIA's Jetson boards

# Bits of a Raspberry Pi's `get_throttled`; the same 16 bits higher stay set until it is started again.
RASPBERRY_PI = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_BOOT = 16


class Sensors:
    """The sensors of one machine, found once and read often.

    Args:
        root: where `proc` and `sys` are.
        cores: whose clocks and counters are read.
    """

    def __init__(self, root: Path, cores: Sequence[int]) -> None:
        self._cores = frozenset(cores)
        self._cpu_info = root / "proc/cpuinfo"
        processors = [root / f"sys/devices/system/cpu/cpu{core}" for core in cores]
        self._frequencies = [folder / "cpufreq" for folder in _spaced(processors)]
        self._frequencies = [folder for folder in self._frequencies if folder.is_dir()]
        chips = {folder: text_of(folder / "name") or "" for folder in root.glob("sys/class/hwmon/hwmon*")}
        self._temperatures = _temperatures(root, chips)
        self._counters = [
            *(path for folder in processors for path in sorted(folder.glob("thermal_throttle/*_count"))),
            *(path for chip in chips for path in sorted(chip.iterdir()) if OVER_CURRENT.fullmatch(path.name)),
        ]
        self._raspberry_pi = next(
            iter(root.glob("sys/devices/platform/soc*/soc*:firmware/get_throttled")), None
        )
        self._alarms = [chip / "in0_lcrit_alarm" for chip, name in chips.items() if name == "rpi_volt"]
        self._cooling = _spaced(
            [
                folder / "cur_state"
                for folder in sorted(root.glob("sys/class/thermal/cooling_device*"))
                if COOLING_BY_CLOCK.search(text_of(folder / "type") or "")
            ]
        )

    def clock_mhz(self) -> float | None:
        """Give the clock of the fastest core at this moment, which is one that computes."""
        clocks = [number_of(folder / "scaling_cur_freq") for folder in self._frequencies]
        known = [clock / KHZ_PER_MHZ for clock in clocks if clock]
        return max(known or self._told_clocks(), default=None)

    def clock_limit_mhz(self) -> float | None:
        """Give the highest clock that these cores may reach."""
        limits = [number_of(folder / "cpuinfo_max_freq") for folder in self._frequencies]
        return max((limit / KHZ_PER_MHZ for limit in limits if limit), default=None)

    def governor(self) -> str | None:
        """Name what sets the clocks; several names if cores differ."""
        names = {text_of(folder / "scaling_governor") for folder in self._frequencies}
        return ", ".join(sorted(name for name in names if name)) or None

    def temperatures_c(self) -> dict[str, float]:
        """Give the temperature of each sensor that answers."""
        values = {name: number_of(path) for name, path in self._temperatures.items()}
        return {name: value / MILLIDEGREES for name, value in values.items() if value is not None}

    def throttling_counts(self) -> dict[str, int]:
        """Give the counters that rise when clocks are lowered against heat or over-current."""
        counts: dict[str, int] = {}
        for path in self._counters:
            if (value := number_of(path)) is not None:
                name = path.name.removesuffix("_count").removesuffix("_event_cnt").replace("_", " ")
                counts[name] = counts.get(name, 0) + value
        if (word := self._firmware_word()) is not None:
            for bit, name in RASPBERRY_PI.items():
                counts[name] = word >> (bit + SINCE_BOOT) & 1
        return counts

    def throttling_flags(self) -> dict[str, bool]:
        """Tell by name what lowers the clocks at this moment."""
        flags: dict[str, bool] = {}
        if (word := self._firmware_word()) is not None:
            flags |= {name: bool(word >> bit & 1) for bit, name in RASPBERRY_PI.items()}
        for path in self._alarms:
            if (value := number_of(path)) is not None:
                flags["under-voltage"] = flags.get("under-voltage", False) or value > 0
        states = [state for state in map(number_of, self._cooling) if state is not None]
        if states:
            flags["clock lowered to cool"] = any(states)
        return flags

    def _firmware_word(self) -> int | None:
        return None if self._raspberry_pi is None else number_of(self._raspberry_pi, base=16)

    def _told_clocks(self) -> list[float]:
        """Read /proc/cpuinfo, where no driver sets the clock, as in a virtual machine."""
        if self._frequencies:
            return []
        clocks = []
        core = None
        for line in (text_of(self._cpu_info) or "").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "processor" and value.strip().isdecimal():
                core = int(value)
            elif name.strip() == "cpu MHz" and core in self._cores and CLOCK.fullmatch(value.strip()):
                clocks.append(float(value))
        return clocks


def huge_pages(root: Path) -> str | None:
    """Tell when memory comes in transparent huge pages: `always`, `madvise` or `never`."""
    chosen = re.search(r"\[(\w+)\]", text_of(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    return chosen[1] if chosen else None


def _temperatures(root: Path, chips: dict[Path, str]) -> dict[str, Path]:
    """Find the sensors of processors: those of chips, or else of thermal zones, which repeat them."""
    found: dict[str, Path] = {}
    for chip, name in sorted(chips.items()):
        if not CHIPS.search(name):
            continue
        inputs = sorted(chip.glob("temp*_input"))
        labels = [text_of(path.with_name(path.name.replace("_input", "_label"))) for path in inputs]
        whole = any((label or "").startswith("Package") for label in labels)
        for path, label in zip(inputs, labels, strict=True):
            if not whole or (label or "").startswith("Package"):  # not each of its cores beside it
                found[_unused(f"{name} {label}" if label else name, found)] = path
    if not found:
        for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
            if ZONES.search(kind := text_of(zone / "type") or ""):
                found[_unused(kind, found)] = zone / "temp"
    return dict(list(found.items())[:MOST_SENSORS])


def _unused(name: str, taken: Iterable[str]) -> str:
    """Number a name if it is taken."""
    names = set(taken)
    return name if name not in names else next(n for i in range(2, 1000) if (n := f"{name} {i}") not in names)


def _spaced(items: list[Path]) -> list[Path]:
    """Give at most MOST_SENSORS of the items, evenly spaced."""
    return items[:: -(-len(items) // MOST_SENSORS) or 1]

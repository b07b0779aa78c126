"""Read what the machine is that a measurement was taken on, or an engine was built on."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_INFO = Path("/proc/meminfo")
BOARD_NAME = Path("/proc/device-tree/model")  # of ARM boards, whose cpuinfo has no model name
FREQUENCY_FOLDER = Path("/sys/devices/system/cpu/cpu0/cpufreq")
KHZ_PER_MHZ = 1000
VECTOR_UNITS = re.compile(r"avx|fma|amx|sse4|asimd|sve|bf16|i8mm|neon|vnni")  # what kernels are chosen by


@dataclass(frozen=True)
class Machine:
    """A machine; None stands for what it does not tell.

    Attributes:
        cpu: model name, or the board's.
        governor: of the first core's clock, such as `performance` or `powersave`.
        clock_mhz: of the first core, at this moment.
    """

    system: str
    cpu: str
    logical_cores: int
    governor: str | None
    clock_mhz: float | None


def this_machine() -> Machine:
    """Describe the machine this runs on."""
    cpu_info = _text(CPU_INFO) or ""
    clock_khz = _text(FREQUENCY_FOLDER / "scaling_cur_freq")
    clock_mhz = _field(cpu_info, "cpu MHz")
    if clock_khz and clock_khz.isdecimal():
        clock_mhz = str(int(clock_khz) / KHZ_PER_MHZ)
    return Machine(
        system=platform.platform(),
        cpu=_field(cpu_info, "model name") or _text(BOARD_NAME) or platform.processor() or platform.machine(),
        logical_cores=os.cpu_count() or 1,
        governor=_text(FREQUENCY_FOLDER / "scaling_governor"),
        clock_mhz=float(clock_mhz) if clock_mhz else None,
    )


def processor() -> dict[str, str]:
    """Name what a graph that was laid out for this processor depends on: `cpu`, and `vector_units`.

    The same name may stand for other units: a virtual machine can hide some.
    """
    flags = _field(_text(CPU_INFO) or "", "flags") or _field(_text(CPU_INFO) or "", "Features") or ""
    units = sorted(flag for flag in flags.split() if VECTOR_UNITS.search(flag))
    return {"cpu": this_machine().cpu, "vector_units": " ".join(units) or platform.machine()}


def available_bytes() -> int | None:
    """Tell how much memory programs can still take without swapping; None where the system does not say."""
    amount = _field(_text(MEMORY_INFO) or "", "MemAvailable")
    return int(amount.split()[0]) << 10 if amount else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip("\0 \n") or None
    except OSError:
        return None


def _field(text: str, name: str) -> str | None:
    match = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else None

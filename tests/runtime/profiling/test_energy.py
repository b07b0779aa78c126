"""Energy is what meters count, each joule once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.runtime.profiling.energy import Energy, Rail, energy_of, meters

from . import machines
from .machines import write


def test_rapl_counts_the_platform_and_its_parts(tmp_path: Path) -> None:
    machines.laptop(tmp_path)
    read = meters(tmp_path, 0.0)
    zones = tmp_path / "sys/class/powercap"
    for zone, joules in {
        "intel-rapl:0": 4,
        "intel-rapl:0:0": 2,
        "intel-rapl:0:1": 1,
        "intel-rapl:1": 8,
    }.items():
        path = zones / zone / "energy_uj"
        path.write_text(str(int(path.read_text()) + joules * 1_000_000))
    for meter in read:
        meter.read(2.0)
    assert energy_of(read, 2.0) == Energy(
        seconds=2.0,
        joules=8.0,
        mean_w=4.0,
        rails=(
            Rail("package-0", "powercap", 4.0, "psys"),
            Rail("package-0 core", "powercap", 2.0, "package-0"),
            Rail("package-0 dram", "powercap", 1.0, "psys"),
            Rail("psys", "powercap", 8.0, None),
        ),
    )


def test_memory_is_no_part_of_its_package(tmp_path: Path) -> None:
    """A server, which has no meter of the whole."""
    for zone, name in {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram"}.items():
        write(tmp_path / "sys/class/powercap" / zone, {"name": name, "energy_uj": 0})
    read = meters(tmp_path, 0.0)
    for path in tmp_path.glob("sys/class/powercap/*/energy_uj"):
        path.write_text("3000000")
    for meter in read:
        meter.read(1.0)
    energy = energy_of(read, 1.0)
    assert energy is not None
    assert energy.joules == 6.0


def test_a_counter_begins_again_at_zero(tmp_path: Path) -> None:
    files = {"name": "package-0", "energy_uj": 262_000_000, "max_energy_range_uj": 262_143_000}
    write(tmp_path / "sys/class/powercap/intel-rapl:0", files)
    (meter,) = meters(tmp_path, 0.0)
    write(tmp_path, {"sys/class/powercap/intel-rapl:0/energy_uj": 857_000})
    meter.read(1.0)
    assert meter.joules == pytest.approx(1.0)


def test_a_jetson_counts_what_enters_the_board(tmp_path: Path) -> None:
    machines.jetson(tmp_path)
    read = meters(tmp_path, 10.0)
    write(tmp_path, {"sys/class/hwmon/hwmon1/curr1_input": 4000})  # from 10 W to 20 W
    for meter in read:
        meter.read(12.0)
    energy = energy_of(read, 2.0)
    assert energy is not None
    assert energy.joules == pytest.approx(30.0)
    assert energy.mean_w == pytest.approx(15.0)
    assert [(rail.name, rail.within) for rail in energy.rails] == [
        ("VDD_IN", None),
        ("VDD_CPU_GPU_CV", "VDD_IN"),
        ("VDD_SOC", "VDD_IN"),
    ]
    assert energy.rails[1].joules == pytest.approx(8.0)


def test_a_sensor_of_power_alone_is_read(tmp_path: Path) -> None:
    write(tmp_path / "sys/class/hwmon/hwmon0", {"name": "ina226", "power1_input": 2_500_000})
    (meter,) = meters(tmp_path, 0.0)
    meter.read(4.0)
    assert (meter.name, meter.joules) == ("ina226 power1", pytest.approx(10.0))


def test_no_meter_is_no_energy(tmp_path: Path) -> None:
    assert energy_of(meters(machines.raspberry_pi(tmp_path), 0.0), 1.0) is None

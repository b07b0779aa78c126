"""Sensors are found and read on the machines that edgeseg is for."""

from __future__ import annotations

from pathlib import Path

from edgeseg.runtime.profiling.sensors import Sensors, huge_pages

from . import machines
from .machines import CORES, write


def test_a_laptop(tmp_path: Path) -> None:
    sensors = Sensors(machines.laptop(tmp_path), CORES)
    assert sensors.clock_mhz() == 3500.0  # of the core that computes
    assert sensors.clock_limit_mhz() == 4700.0
    assert sensors.governor() == "powersave"
    assert sensors.temperatures_c() == {"coretemp Package id 0": 61.0}  # the disk's is slow to read
    assert sensors.throttling_counts() == {"core throttle": 28, "package throttle": 80}
    assert sensors.throttling_flags() == {"clock lowered to cool": False}
    assert huge_pages(tmp_path) == "madvise"


def test_only_cores_that_may_be_used_count(tmp_path: Path) -> None:
    sensors = Sensors(machines.laptop(tmp_path), (0, 1))
    assert sensors.clock_mhz() == 800.0
    assert sensors.throttling_counts()["core throttle"] == 14


def test_a_raspberry_pi(tmp_path: Path) -> None:
    sensors = Sensors(machines.raspberry_pi(tmp_path), CORES)
    assert sensors.clock_mhz() == 2400.0
    assert sensors.temperatures_c() == {"cpu_thermal": 52.35}  # once, not as a thermal zone again
    assert sensors.throttling_flags() == dict.fromkeys(
        ("under-voltage", "clock capped", "throttled", "soft temperature limit"), False
    )
    word = next(tmp_path.glob("sys/devices/platform/soc*/*/get_throttled"))
    word.write_text("50005\n")  # under-voltage and throttled, now and since it was started
    assert sensors.throttling_flags() == {
        "under-voltage": True,
        "clock capped": False,
        "throttled": True,
        "soft temperature limit": False,
    }
    assert sensors.throttling_counts()["throttled"] == 1
    word.write_text("0\n")
    write(tmp_path, {"sys/class/hwmon/hwmon2/in0_lcrit_alarm": 1})
    assert sensors.throttling_flags()["under-voltage"]


def test_an_older_raspberry_pi_has_its_firmware_elsewhere(tmp_path: Path) -> None:
    write(tmp_path, {"sys/devices/platform/soc/soc:firmware/get_throttled": "20002"})
    sensors = Sensors(tmp_path, CORES)
    assert sensors.throttling_flags()["clock capped"]
    assert sensors.throttling_counts()["clock capped"] == 1


def test_a_jetson(tmp_path: Path) -> None:
    sensors = Sensors(machines.jetson(tmp_path), CORES)
    assert sensors.temperatures_c() == {"cpu-thermal": 48.0, "gpu-thermal": 45.5, "tj-thermal": 48.5}
    assert sensors.throttling_counts() == {"oc1": 0, "oc3": 4}


def test_a_virtual_machine(tmp_path: Path) -> None:
    sensors = Sensors(machines.virtual_machine(tmp_path), CORES)
    assert sensors.clock_mhz() == 2596.15
    assert sensors.clock_limit_mhz() is None
    assert sensors.governor() is None
    assert sensors.temperatures_c() == {}
    assert sensors.throttling_counts() == {}
    assert sensors.throttling_flags() == {}
    assert huge_pages(tmp_path) is None


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert Sensors(tmp_path, CORES).clock_mhz() is None


def test_a_sensor_that_goes_away_is_passed_over(tmp_path: Path) -> None:
    sensors = Sensors(machines.jetson(tmp_path), CORES)
    (tmp_path / "sys/class/thermal/thermal_zone1/temp").unlink()
    assert set(sensors.temperatures_c()) == {"cpu-thermal", "tj-thermal"}

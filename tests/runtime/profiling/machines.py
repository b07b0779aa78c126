"""Files by which other machines tell of themselves, as their kernels lay them out, below a folder."""

from __future__ import annotations

from pathlib import Path

CORES = (0, 1, 2, 3)


def write(root: Path, files: dict[str, object]) -> Path:
    """Write files of one value each."""
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return root


def laptop(root: Path) -> Path:
    """An Intel laptop: cpufreq, coretemp, a disk's sensor, thermal_throttle, RAPL with psys."""
    for core in CORES:
        write(
            root / f"sys/devices/system/cpu/cpu{core}",
            {
                "cpufreq/scaling_cur_freq": 3500000 if core == 2 else 800000,
                "cpufreq/cpuinfo_max_freq": 4700000,
                "cpufreq/scaling_governor": "powersave",
                "thermal_throttle/core_throttle_count": 7,
                "thermal_throttle/package_throttle_count": 20,
                "thermal_throttle/core_throttle_total_time_ms": 900,
            },
        )
    write(
        root / "sys/class/hwmon",
        {
            "hwmon0/name": "nvme",
            "hwmon0/temp1_input": 38850,
            "hwmon1/name": "coretemp",
            "hwmon1/temp1_input": 61000,
            "hwmon1/temp1_label": "Package id 0",
            "hwmon1/temp2_input": 59000,
            "hwmon1/temp2_label": "Core 0",
        },
    )
    rapl = {
        "intel-rapl:0": ("package-0", 5_000_000),
        "intel-rapl:0:0": ("core", 3_000_000),
        "intel-rapl:0:1": ("dram", 1_000_000),
        "intel-rapl:1": ("psys", 9_000_000),
    }
    for zone, (name, count_uj) in rapl.items():
        files = {"name": name, "energy_uj": count_uj, "max_energy_range_uj": 262143328850}
        write(root / "sys/class/powercap" / zone, files)
    return write(
        root,
        {
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
            "sys/class/thermal/cooling_device0/type": "Processor",
            "sys/class/thermal/cooling_device0/cur_state": 0,
            "sys/class/thermal/cooling_device1/type": "Fan",
            "sys/class/thermal/cooling_device1/cur_state": 3,
        },
    )


def raspberry_pi(root: Path) -> Path:
    """A Raspberry Pi 5: one policy, a thermal zone with its hwmon twin, the firmware's word, a fan."""
    for core in CORES:
        write(
            root / f"sys/devices/system/cpu/cpu{core}/cpufreq",
            {
                "scaling_cur_freq": 2400000,
                "cpuinfo_max_freq": 2400000,
                "scaling_governor": "ondemand",
            },
        )
    return write(
        root,
        {
            "sys/class/hwmon/hwmon0/name": "cpu_thermal",
            "sys/class/hwmon/hwmon0/temp1_input": 52350,
            "sys/class/hwmon/hwmon2/name": "rpi_volt",
            "sys/class/hwmon/hwmon2/in0_lcrit_alarm": 0,
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": 52350,
            "sys/class/thermal/cooling_device0/type": "pwm-fan",
            "sys/class/thermal/cooling_device0/cur_state": 2,
            "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "0",
        },
    )


def jetson(root: Path) -> Path:
    """A Jetson Orin NX: thermal zones, an INA3221 with three rails, counters of over-current."""
    for core in CORES:
        write(
            root / f"sys/devices/system/cpu/cpu{core}/cpufreq",
            {
                "scaling_cur_freq": 1984000,
                "cpuinfo_max_freq": 1984000,
                "scaling_governor": "schedutil",
            },
        )
    zones = {"cpu-thermal": 48000, "gpu-thermal": 45500, "tj-thermal": 48500, "pmic": 40000}
    for number, (name, temperature) in enumerate(zones.items()):
        write(root / f"sys/class/thermal/thermal_zone{number}", {"type": name, "temp": temperature})
    rails = {"VDD_IN": (5000, 2000), "VDD_CPU_GPU_CV": (5000, 800), "VDD_SOC": (5000, 400)}
    for channel, (label, (millivolts, milliamperes)) in enumerate(rails.items(), start=1):
        write(
            root / "sys/class/hwmon/hwmon1",
            {
                "name": "ina3221",
                f"in{channel}_label": label,
                f"in{channel}_input": millivolts,
                f"curr{channel}_input": milliamperes,
            },
        )
    return write(
        root,
        {
            "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages",
            "sys/class/hwmon/hwmon1/in7_input": 32,
            "sys/class/hwmon/hwmon3/name": "soctherm_oc",
            "sys/class/hwmon/hwmon3/oc1_event_cnt": 0,
            "sys/class/hwmon/hwmon3/oc3_event_cnt": 4,
        },
    )


def virtual_machine(root: Path) -> Path:
    """A virtual machine, which has no sensors; its processor's clock is told once and for all."""
    cores = "\n\n".join(f"processor\t: {core}\ncpu MHz\t\t: 2596.150" for core in CORES)
    return write(root, {"proc/cpuinfo": cores})

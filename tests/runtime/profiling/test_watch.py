"""A run is watched: on machines made of files, and here with a real quota and a real neighbour."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeseg.cores import ROOT, allowed_cores, control_groups
from edgeseg.records import from_json_value, to_json_value
from edgeseg.runtime.profiling.energy import Energy
from edgeseg.runtime.profiling.surroundings import Surroundings
from edgeseg.runtime.profiling.watch import Watch

from . import machines
from .machines import write

ROOT_OF_TESTS = Path(__file__).parents[3]
QUOTA_US, PERIOD_US = 20_000, 100_000
SPIN = "import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
WATCHED = """
import json, os, sys, time
from edgeseg.records import to_json_value
from edgeseg.runtime.profiling.watch import Watch

os.sched_setaffinity(0, {int(sys.argv[1])})
with Watch() as watch:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        pass
print(json.dumps(to_json_value(watch.surroundings())))
"""


HELD_BACK_LATER = """
import json, sys, time
from pathlib import Path
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.fake import fake_outputs
from edgeseg.runtime.profiling.profile import profile
from edgeseg.runtime.sources import open_source
from tests.runtime.fakes import SEMANTIC

FRAMES = 60
quota, group = sys.argv[1], Path(sys.argv[2])
limit = group / "cpu.max" if (group / "cpu.max").exists() else group / "cpu.cfs_quota_us"
limit.write_text("max" if limit.name == "cpu.max" else "-1")
(group / "cgroup.procs").write_text("0")

calls = 0
def compute(images):
    global calls
    calls += 1
    if calls == 1 + FRAMES + 1:  # both loops have a frame of warm-up
        limit.write_text(quota)
    end = time.thread_time() + 0.01
    while time.thread_time() < end:
        pass
    return fake_outputs(SEMANTIC, images)

with open_source("synthetic:64x48") as source:
    segmenter = Segmenter(FakeBackend(SEMANTIC, compute).engine())
    report = profile(segmenter, source, warmup=1, frames=FRAMES)
print(json.dumps(report.warnings))
"""


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.profiling.watch.allowed_cores", lambda: machines.CORES)


def test_a_laptop_that_throttles(tmp_path: Path) -> None:
    machines.laptop(tmp_path)
    package = tmp_path / "sys/class/powercap/intel-rapl:1/energy_uj"
    with Watch(root=tmp_path, period_s=0.01) as watch:
        write(tmp_path, {"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": 9})
        write(tmp_path, {"sys/class/hwmon/hwmon1/temp1_input": 98000})
        package.write_text("10500000\n")
    seen = watch.surroundings()
    assert seen.governor == "powersave"
    assert seen.clock_mhz is not None
    assert seen.clock_mhz.high == 3500.0
    assert seen.clock_limit_mhz == 4700.0
    assert seen.temperatures_c["coretemp Package id 0"].high == 98.0
    assert seen.throttling == {"core throttle": 2}
    assert [found.kind for found in seen.disturbances] == ["throttling"]
    assert "core throttle (2 times), at up to 98 °C" in seen.disturbances[0].text
    energy = watch.energy()
    assert energy is not None
    assert energy.joules == pytest.approx(1.5)


def test_a_raspberry_pi_whose_supply_is_too_weak(tmp_path: Path) -> None:
    machines.raspberry_pi(tmp_path)
    with Watch(root=tmp_path, period_s=0.01) as watch:
        word = next(tmp_path.glob("sys/devices/platform/soc*/*/get_throttled"))
        word.write_text("50000\n")  # it was for a moment, between two samples
    seen = watch.surroundings()
    assert seen.throttling == {"under-voltage": 1, "throttled": 1}
    assert watch.energy() is None


def test_a_jetson_has_energy(tmp_path: Path) -> None:
    with Watch(root=machines.jetson(tmp_path), period_s=0.01) as watch:
        pass
    energy = watch.energy()
    assert energy is not None
    assert energy.mean_w == pytest.approx(10.0)
    assert watch.surroundings().throttling == {}


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    with Watch(root=machines.virtual_machine(tmp_path), period_s=0.01) as watch:
        pass
    seen = watch.surroundings()
    assert seen.clock_mhz is not None
    assert (seen.governor, seen.throttling, seen.others_percent, seen.quota_cores) == (None, None, None, None)
    assert seen.disturbances == ()
    assert seen.samples >= 2
    assert watch.energy() is None


def test_what_was_seen_comes_back_from_json(tmp_path: Path) -> None:
    with Watch(root=machines.laptop(tmp_path), period_s=0.01) as watch:
        pass
    seen, energy = watch.surroundings(), watch.energy()
    assert from_json_value(Surroundings, json.loads(json.dumps(to_json_value(seen)))) == seen
    assert from_json_value(Energy, json.loads(json.dumps(to_json_value(energy)))) == energy


def test_a_run_that_fails_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Watch(root=tmp_path):
        1 / 0  # noqa: B018


@pytest.fixture
def quota_group() -> Iterator[Path]:
    """A control group with a quota, below this process's own; removed afterwards."""
    parent = next(control_groups(ROOT), None)
    if parent is None:
        pytest.skip("there are no control groups here")
    group = parent / f"edgeseg-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{QUOTA_US} {PERIOD_US}")
        elif (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(QUOTA_US))
        else:
            pytest.skip("the control groups here have no quota for processors")
        yield group
    finally:
        group.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_quota_is_noticed(quota_group: Path) -> None:
    core = str(allowed_cores()[0])
    enter = f"open({str(quota_group / 'cgroup.procs')!r}, 'w').write('0')\n"
    seen = _surroundings(enter + WATCHED, core)
    assert seen.quota_cores == pytest.approx(QUOTA_US / PERIOD_US)
    assert seen.held_back_percent is not None
    (found,) = (found for found in seen.disturbances if found.kind == "quota")
    assert found.text.startswith("the control group's quota of 0.2 cores held it back")


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_quota_that_comes_with_inference_alone_is_told_of_that(quota_group: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD_BACK_LATER, str(QUOTA_US), str(quota_group)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT_OF_TESTS,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in json.loads(done.stdout) if "quota" in line]
    held_back = "the control group's quota of 0.2 cores held it back"
    assert line.startswith(f"while inference alone was timed, {held_back}")


@pytest.mark.skipif(sys.platform != "linux", reason="the cores of a process are bound on Linux alone")
def test_a_busy_neighbour_is_noticed() -> None:
    core = allowed_cores()[0]
    bound = f"import os; os.sched_setaffinity(0, {{{core}}})\n"
    with subprocess.Popen([sys.executable, "-c", bound + SPIN.format(seconds=60)]) as neighbour:
        try:
            seen = _surroundings(WATCHED, str(core))
        finally:
            neighbour.kill()
    (found,) = (found for found in seen.disturbances if found.kind == "others")
    assert "other programs took" in found.text
    assert "of the 1 core" in found.text


def _surroundings(program: str, *arguments: str) -> Surroundings:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return from_json_value(Surroundings, json.loads(done.stdout))

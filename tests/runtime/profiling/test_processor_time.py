"""The time of processors is divided between this process, others, a hypervisor and a quota."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeseg.runtime.profiling.processor_time import (
    TICKS_PER_S,
    ProcessorTime,
    Throttled,
    quota_cores,
    read_processor_time,
    shares,
)

from .machines import write

START = ProcessorTime(at_s=100.0, busy_s=50.0, stolen_s=0.0, idle_s=10.0, own_s=20.0, threads_s={}, groups={})
GROUP = Path("group")


def stat(*ticks: int) -> str:
    """A line of a process or its child, of which utime, stime, cutime and cstime are given."""
    return f"41 (a name) with) R {' '.join(['0'] * 10)} {' '.join(map(str, ticks))} 20 0"


def test_counters_are_read(tmp_path: Path) -> None:
    write(
        tmp_path / "proc",
        {
            "stat": "cpu  9 9 9 9\ncpu0 100 20 30 400 50 6 7 8 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\nintr 5 5",
            "self/stat": stat(40, 10, 5, 1),
            "self/task/41/children": "77 ",
            "self/task/41/schedstat": "2000000000 500000000 9",
            "self/task/42/schedstat": "1000000000 0 9",
            "77/stat": stat(3, 2, 0, 0),
            "77/task/77/children": "",
            "77/task/77/schedstat": "50000000 0 1",
        },
    )
    read = read_processor_time(tmp_path, (0,))
    assert read.busy_s * TICKS_PER_S == 150
    assert read.stolen_s * TICKS_PER_S == 8
    assert read.idle_s * TICKS_PER_S == 450
    assert read.own_s * TICKS_PER_S == pytest.approx(61)
    assert read.threads_s == {41: (2.0, 0.5), 42: (1.0, 0.0), 77: (0.05, 0.0)}


def test_others_are_what_neither_this_process_nor_its_children_took() -> None:
    end = replace(START, at_s=110.0, busy_s=65.0, stolen_s=2.0, idle_s=13.0, own_s=26.0)
    found = shares(START, end, cores=2)
    assert found.others == pytest.approx(45.0)  # 15 s less 6 s, of 20 s
    assert found.steal == pytest.approx(10.0)


def test_a_time_too_short_for_the_counters_tells_nothing() -> None:
    end = replace(START, at_s=100.2, busy_s=50.1, own_s=20.0)
    assert shares(START, end, cores=1).others is None


def test_counters_that_stand_still_are_none() -> None:
    """Some containers hide them so."""
    found = shares(START, replace(START, at_s=110.0), cores=1)
    assert (found.others, found.steal, found.waiting, found.held_back) == (None, None, None, None)


def test_waiting_is_of_the_time_that_threads_wanted_to_run() -> None:
    start = replace(START, threads_s={1: (5.0, 1.0), 2: (9.0, 9.0)})
    end = replace(START, at_s=110.0, threads_s={1: (8.0, 1.5), 3: (1.0, 0.5)})  # 2 has ended, 3 is new
    assert shares(start, end, cores=1).waiting == pytest.approx(100 * 1.0 / 5.0)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_quota_holds_all_threads_back_alike(threads: int) -> None:
    """Each ran 2.5 s of 10, and stood still for 7.5."""
    start = replace(START, groups={GROUP: Throttled(3.0, 40.0)})
    end = replace(START, at_s=110.0, groups={GROUP: Throttled(3.0 + 7.5 * threads, 40.0 + 2.5 * threads)})
    assert shares(start, end, cores=4).held_back == pytest.approx(75.0)


@pytest.mark.parametrize("version", [1, 2])
def test_groups_of_both_versions_are_read(tmp_path: Path, version: int) -> None:
    if version == 1:
        membership, group = "3:cpu,cpuacct:/job", tmp_path / "sys/fs/cgroup/cpu/job"
        files = {
            "cpu.cfs_quota_us": 50000,
            "cpu.cfs_period_us": 100000,
            "cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 2500000000",
        }
    else:
        membership, group = "0::/job", tmp_path / "sys/fs/cgroup/job"
        files = {
            "cpu.max": "50000 100000",
            "cpu.stat": "usage_usec 4000000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 2500000",
        }
    write(tmp_path, {"proc/self/cgroup": membership})
    write(group, files)
    assert quota_cores(tmp_path) == 0.5
    ran_s = 4.0 if version == 2 else None
    assert read_processor_time(tmp_path, (0,)).groups == {group: Throttled(2.5, ran_s)}


def test_a_group_without_a_quota_holds_nothing_back(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"})
    assert quota_cores(tmp_path) is None
    assert read_processor_time(tmp_path, (0,)).groups == {}

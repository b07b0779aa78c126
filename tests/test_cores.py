"""Cores are counted by what the process may use, and cap what an engine recorded elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeseg import cores
from edgeseg.cores import usable_cores
from edgeseg.engines.onnxruntime import open as onnxruntime
from edgeseg.engines.openvino import open as openvino

MANY = set(range(8))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for a machine of eight cores, and for its control groups below the folder that is given."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: MANY, raising=False)
    monkeypatch.setattr(cores, "ROOT", tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_affinity_is_heeded(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    assert usable_cores() == 1


@pytest.mark.parametrize(
    ("own", "around", "expected"),
    [
        ("max 100000", "max 100000", 8),
        ("100000 100000", "max 100000", 1),
        ("max 100000", "350000 100000", 4),  # half a core counts as one
        ("200000 100000", "50000 100000", 1),
        ("900000 100000", "max 100000", 8),
        ("nonsense", "max 100000", 8),
    ],
)
def test_the_least_quota_of_all_groups_around_counts(
    machine: Path, own: str, around: str, expected: int
) -> None:
    write(machine / cores.MEMBERSHIP, "0::/site/camera")
    write(machine / cores.GROUPS / "site" / "camera" / "cpu.max", own)
    write(machine / cores.GROUPS / "site" / "cpu.max", around)
    assert usable_cores() == expected


def test_a_container_sees_its_own_group_as_the_root(machine: Path) -> None:
    write(machine / cores.MEMBERSHIP, "0::/")
    write(machine / cores.GROUPS / "cpu.max", "150000 100000")
    assert usable_cores() == 2


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("250000", 3)])
def test_groups_of_version_1_are_heeded(machine: Path, quota: str, expected: int) -> None:
    write(machine / cores.MEMBERSHIP, "4:memory:/job\n3:cpu,cpuacct:/job\n0::/")
    write(machine / cores.GROUPS / "cpu" / "job" / "cpu.cfs_quota_us", quota)
    write(machine / cores.GROUPS / "cpu" / "job" / "cpu.cfs_period_us", "100000")
    assert usable_cores() == expected


def test_an_onnxruntime_engine_takes_no_more_threads_than_there_are_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ort = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnxruntime, "usable_cores", lambda: 1)
    options = onnxruntime.EngineOptions(intra_op_threads=4)
    assert onnxruntime._session_options(ort, options, None).intra_op_num_threads == 1
    assert onnxruntime._session_options(ort, options, 3).intra_op_num_threads == 3


def test_an_openvino_engine_takes_no_more_threads_than_there_are_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openvino, "usable_cores", lambda: 1)
    options = openvino.EngineOptions(threads=4)
    assert openvino._properties(options, "cpu", None)["INFERENCE_NUM_THREADS"] == 1
    assert openvino._properties(options, "cpu", 3)["INFERENCE_NUM_THREADS"] == 3

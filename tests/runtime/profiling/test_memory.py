"""The memory of a process and of its children is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from edgeseg.runtime.profiling.memory import PROCESSES, forget_peak, gpu_bytes, peak_bytes

MIB = 1 << 20
HELD = 300 * MIB
CHILD = f"data = b'x' * {HELD}; print('held', flush=True); input()"


@pytest.mark.skipif(not PROCESSES.exists(), reason="children are known on Linux alone")
def test_a_child_counts_for_as_long_as_it_runs() -> None:
    before = peak_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        during = peak_bytes()
        child.communicate("go\n")
    assert before + HELD <= during < before + HELD + 100 * MIB
    assert peak_bytes() < before + HELD


@pytest.mark.skipif(not PROCESSES.exists(), reason="the system tells this on Linux alone")
def test_what_the_process_held_that_started_it_does_not_count() -> None:
    tell = "from edgeseg.runtime.profiling.memory import peak_bytes; print(peak_bytes())"
    held = b"x" * HELD
    told = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True)
    assert len(held) < peak_bytes()
    assert int(told.stdout) < HELD


class FakeNvml(ModuleType):
    """NVML with two GPUs, which tell of this process, of another, and of one whose memory is hidden."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802 - its name
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: int) -> list[SimpleNamespace]:  # noqa: N802
        own = SimpleNamespace(pid=os.getpid(), usedGpuMemory=100 * MIB)
        hidden = SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)
        return [own, SimpleNamespace(pid=1, usedGpuMemory=7)] if gpu == 0 else [hidden]


@pytest.mark.skipif(not PROCESSES.is_dir(), reason="the peak is forgotten on Linux alone")
def test_a_peak_is_forgotten() -> None:
    np.ones(200_000_000, np.uint8)
    most = peak_bytes()
    forget_peak()
    assert peak_bytes() < most - 100_000_000


def test_memory_of_a_gpu_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert gpu_bytes("cuda") == 100 * MIB
    assert nvml.open == 0
    assert gpu_bytes("cpu") is None


def test_without_its_library_no_memory_of_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_bytes("cuda") is None

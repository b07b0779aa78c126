"""The memory of a process and of its children is counted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgeseg.runtime.profiling.memory import PROCESSES, peak_bytes

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

"""What the machine tells of itself, in the words of Linux."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg import machine
from edgeseg.machine import available_bytes


def test_memory_that_is_left_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "meminfo"
    monkeypatch.setattr(machine, "MEMORY_INFO", info)
    assert available_bytes() is None
    info.write_text("MemTotal:       24597284 kB\nMemFree:        18011220 kB\nMemAvailable:   23001234 kB\n")
    assert available_bytes() == 23001234 * 1024
    info.write_text("MemTotal:       24597284 kB\n")  # kernels before 3.14
    assert available_bytes() is None

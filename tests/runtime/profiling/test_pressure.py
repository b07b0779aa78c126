"""What tasks waited for, and what was swapped, is read as Linux counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.runtime.profiling.pressure import (
    PAGE_BYTES,
    Pressure,
    read_pressure,
    stalled_percent,
    swapped_mb,
)

from .machines import write


def test_counters_are_read(tmp_path: Path) -> None:
    write(
        tmp_path / "proc",
        {
            "pressure/cpu": "some avg10=1.00 avg60=0.50 avg300=0.1 total=4500000",
            "pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=10\nfull avg10=0 total=5",
            "vmstat": "pswpin 3\npswpout 4\npgfault 900",
        },
    )
    read = read_pressure(tmp_path)
    assert read.stalled_s == {"cpu": 4.5, "memory": 1e-5}
    assert read.swapped_pages == 7


def test_shares_are_of_the_time_between() -> None:
    before = Pressure(10.0, {"memory": 1.0}, 100)
    after = Pressure(14.0, {"memory": 2.0, "io": 9.0}, 100 + (1 << 20) // PAGE_BYTES)
    assert stalled_percent(before, after) == {"memory": pytest.approx(25.0)}
    assert swapped_mb(before, after) == pytest.approx(1.0)


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    read = read_pressure(tmp_path)
    assert stalled_percent(read, read) == {}
    assert swapped_mb(read, read) is None

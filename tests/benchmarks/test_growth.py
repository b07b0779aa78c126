"""The benchmark of growth: exponents, small plots, and sizes that fail."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from benchmarks import growth


def test_the_exponent_is_the_slope_between_logarithms_over_the_larger_half() -> None:
    sizes = [1, 2, 4, 8]
    assert growth.exponent(sizes, [size**2 for size in sizes]) == pytest.approx(2)
    assert growth.exponent(sizes, [5.0] * 4) == pytest.approx(0)
    # below the larger half (2, 4, 8) something else may rule, such as what each call costs
    assert growth.exponent(sizes, [100.0, 2.0, 4.0, 8.0]) == pytest.approx(1)


def test_a_small_plot_has_a_bar_a_size_from_nothing_to_the_greatest() -> None:
    assert growth.small_plot([0.0, 4.0, 8.0]) == "▁▅█"
    assert growth.small_plot([0.0, 0.0]) == "▁▁"


def test_a_size_that_fails_says_why_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        size = int(command[-1])
        if size == 150:
            return subprocess.CompletedProcess(command, 1, "", "Traceback\nMemoryError: no room\n")
        return subprocess.CompletedProcess(command, 0, f'said\n{{"crf": {size}.0, "peak MB": 1.0}}\n', "")

    monkeypatch.setattr(growth.subprocess, "run", run)
    found, failed = growth.measure("classes", 3)
    assert list(found) == [2, 5, 10, 21, 50]
    assert failed == {150: "MemoryError: no room"}
    heading, crf, peak = growth.table("classes", found)
    assert heading.split() == ["classes", "2", "5", "10", "21", "50", "exponent"]
    assert crf.split()[:6] == ["crf", "2.00", "5.00", "10.00", "21.00", "50.00"]
    assert float(crf.split()[6]) == pytest.approx(1.0)
    assert peak.startswith("peak MB")

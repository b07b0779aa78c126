"""The roofline."""

from __future__ import annotations

import pytest

from edgeseg.runtime.profiling.ceilings import Ceilings
from edgeseg.runtime.profiling.roofline import least_time

CEILINGS = Ceilings(gemm_gflops={"fp32": 100.0, "int8": 400.0}, copy_gbs=10.0, threads=2)


def test_the_slower_of_arithmetic_and_memory_bounds() -> None:
    assert least_time(1.0, 20.0, "fp32", CEILINGS) == (10.0, "arithmetic")  # 10 ms of 1 GFLOP, 2 ms of 20 MB
    assert least_time(1.0, 20.0, "int8", CEILINGS) == (2.5, "arithmetic")
    assert least_time(0.1, 20.0, "fp32", CEILINGS) == (2.0, "memory")


def test_what_only_moves_data_is_bound_by_memory_in_any_precision() -> None:
    assert least_time(0.0, 5.0, "bf16", CEILINGS) == (pytest.approx(0.5), "memory")


def test_arithmetic_without_a_ceiling_has_no_bound() -> None:
    assert least_time(1.0, 5.0, "bf16", CEILINGS) is None

"""The roofline (Williams, Waterman, Patterson 2009): the least time that arithmetic and memory allow."""

from __future__ import annotations

from typing import Literal, NamedTuple

from edgeseg.runtime.profiling.ceilings import Ceilings

Bound = Literal["arithmetic", "memory"]
ARITHMETIC: Bound = "arithmetic"
MEMORY: Bound = "memory"


class Least(NamedTuple):
    """The least time, and which ceiling it is from."""

    time_ms: float
    bound: Bound


def least_time(gflop: float, mbytes: float, precision: str, ceilings: Ceilings) -> Least | None:
    """Say how long work must take at least.

    Args:
        gflop: 10^9 operations; mbytes: 10^6 bytes to and from memory.
        precision: of the arithmetic.

    Returns:
        None if there is arithmetic in a precision whose ceiling was not measured.
    """
    memory_ms = mbytes / ceilings.copy_gbs
    if gflop == 0:
        return Least(memory_ms, MEMORY)
    if precision not in ceilings.gemm_gflops:
        return None
    arithmetic_ms = 1000 * gflop / ceilings.gemm_gflops[precision]
    return Least(arithmetic_ms, ARITHMETIC) if arithmetic_ms > memory_ms else Least(memory_ms, MEMORY)

"""What this machine can do at best: arithmetic of the engine's own library, and memory's traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ceilings:
    """The fastest that was measured here, with the threads and on the device that the engine has.

    Attributes:
        gemm_gflops: 10^9 floating-point operations a second of a large matrix product in the engine's own
            library, by the precision that it computes in; a multiplication and an addition are two.
        copy_gbs: 10^9 bytes a second of a copy of arrays far larger than the caches, bytes read and bytes
            written counted, as STREAM does (McCalpin, 1995).
        threads: of both.
    """

    gemm_gflops: Mapping[str, float]
    copy_gbs: float
    threads: int

"""Measure what this machine can do at best: arithmetic of the engine's own library, and memory's traffic."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeseg.engines import registry
from edgeseg.engines.facts import CPU
from edgeseg.machine import available_bytes
from edgeseg.runtime.profiling.surroundings import Surroundings
from edgeseg.runtime.profiling.watch import Watch

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # Linux's
UNITS = {"K": 10, "M": 20, "G": 30}  # of the caches' sizes, as powers of two
FAR_ABOVE = 4  # times the largest cache: STREAM's own rule for each array
DEFAULT_BYTES = 64 << 20  # of each array where the caches are not told
MOST_BYTES = 256 << 20
SHARE_OF_MEMORY = 8  # both arrays together take at most a quarter of what is free
COPIES = 6  # the best counts
GIGA = 1e9


@dataclass(frozen=True)
class Ceilings:
    """The fastest that was measured here, with the threads and on the device that the engine has.

    Attributes:
        gemm_gflops: 10^9 floating-point operations a second of a large matrix product in the engine's own
            library, by the precision that it computes in; a multiplication and an addition are two.
        copy_gbs: 10^9 bytes a second of a copy of arrays far larger than the caches, bytes read and bytes
            written counted, as STREAM does (McCalpin, 1995).
        threads: of both.
        surroundings: what went on meanwhile; None where it was not watched.
    """

    gemm_gflops: Mapping[str, float]
    copy_gbs: float
    threads: int
    surroundings: Surroundings | None = None


def measure_ceilings(
    backend: str, precisions: Collection[str], *, device: str = CPU, threads: int = 1
) -> Ceilings | None:
    """Measure the ceilings of a backend's engines.

    Args:
        precisions: in which matrix products are timed; those that the library has no product for are left
            out.

    Returns:
        None where memory of the device cannot be measured.
    """
    layers = registry.part_of(backend, "layers")
    with Watch(device) as watch:
        copied = copy_gbs(threads) if device == CPU else getattr(layers, "copy_gbs", lambda _: None)(device)
        if copied is None:
            return None
        products = {
            precision: layers.gemm_gflops(precision, device=device, threads=threads)
            for precision in sorted(precisions)
        }
    found = {precision: gflops for precision, gflops in products.items() if gflops is not None}
    return Ceilings(found, copied, threads, watch.surroundings())


def copy_gbs(threads: int, *, size: int | None = None) -> float:
    """Time a copy of one array to another, each thread its own part; give the best of several.

    Args:
        size: bytes of each array; by default four times the largest cache.

    Returns:
        10^9 bytes a second, those read and those written together.
    """
    size = size or _size()
    source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)  # ones: pages that are there
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))

    def copy(part: int) -> None:
        from_, to = parts[part]
        np.copyto(to, from_)  # without Python's lock

    best_s = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(COPIES):
            started_s = time.perf_counter()
            list(pool.map(copy, range(threads)))
            best_s = min(best_s, time.perf_counter() - started_s)
    return 2 * size / best_s / GIGA


def _size() -> int:
    """Choose the bytes of an array: far above the caches, and far below the memory that is free."""
    size = min(max(FAR_ABOVE * _largest_cache(), DEFAULT_BYTES), MOST_BYTES)
    free = available_bytes()
    return size if free is None else min(size, free // SHARE_OF_MEMORY)


def _largest_cache() -> int:
    """Give the bytes of the largest cache; 0 where the system does not tell."""
    found = [re.fullmatch(r"(\d+)([KMG])\s*", path.read_text()) for path in CACHES.glob("index*/size")]
    return max((int(match[1]) << UNITS[match[2]] for match in found if match), default=0)

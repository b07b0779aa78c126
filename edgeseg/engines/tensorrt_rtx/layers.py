"""Read where the time of an inference goes from TensorRT for RTX: as of TensorRT, with kernels kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.cache import cache_folder
from edgeseg.engines.node_times import NodeTimes, read_table
from edgeseg.engines.tensorrt import layers
from edgeseg.engines.tensorrt.layers import copy_gbs
from edgeseg.engines.tensorrt.open import deserialized
from edgeseg.engines.tensorrt_rtx.kernel_cache import KernelCache
from edgeseg.engines.tensorrt_rtx.open import KERNELS_FILE
from edgeseg.manifest import Manifest

__all__ = ["copy_gbs", "gemm_gflops", "profile_nodes"]


def profile_nodes(
    folder: Path,
    manifest: Manifest,
    images: Sequence[NDArray[Any]],
    *,
    device: str | None,
    threads: int | None,
    runs: int,
) -> NodeTimes:
    """Run an engine with the library's profiler; see `edgeseg.engines.node_times`."""
    engine, library, _, _ = deserialized(folder, manifest, device)
    kernels = KernelCache(engine, cache_folder(manifest, manifest.backend) / KERNELS_FILE)
    table = read_table(folder, manifest)
    return layers.node_times(engine, library, images, runs, table, create_context=kernels.create_context)


def gemm_gflops(precision: str, *, device: str, threads: int) -> float | None:
    """Time a large matrix product; see `edgeseg.engines.tensorrt.layers.gemm_gflops`."""
    return layers.gemm_gflops(precision, device=device, threads=threads, backend="tensorrt_rtx")

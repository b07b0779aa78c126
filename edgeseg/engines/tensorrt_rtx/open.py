"""Run an engine of TensorRT for RTX: TensorRT's code, and kernels that are kept.

The library compiles an engine's kernels when it is opened.
"""

from __future__ import annotations

from pathlib import Path

from edgeseg.engines.cache import cache_folder
from edgeseg.engines.tensorrt.open import TensorRTBackend, deserialized
from edgeseg.engines.tensorrt_rtx.kernel_cache import KernelCache
from edgeseg.manifest import Manifest

KERNELS_FILE = "kernels.bin"


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> TensorRTBackend:
    """Open an engine; arguments and errors are those of `edgeseg.engines.tensorrt.open.open`."""
    engine = deserialized(folder, manifest, device)
    kernels = KernelCache(engine.engine, cache_folder(manifest, manifest.backend) / KERNELS_FILE)
    backend = TensorRTBackend(*engine, kernels.create_context)
    kernels.save()
    return backend

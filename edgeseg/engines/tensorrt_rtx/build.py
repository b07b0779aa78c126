"""Build an engine of TensorRT for RTX, by TensorRT's code.

It builds anywhere, for the compute capabilities that are asked for, and finishes on the GPU when the engine
is opened.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from edgeseg.engines.job import BuildJob
from edgeseg.engines.tensorrt.build import layer_precisions, serialized
from edgeseg.engines.tensorrt_rtx.options import BuildOptions
from edgeseg.engines.tuning import Measured
from edgeseg.errors import UsageError
from edgeseg.manifest import Manifest

__all__ = ["fill_engine", "layer_precisions"]


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the serialized engine; see `FillEngine`. Nothing is measured: the library chooses its kernels."""
    wanted = job.request.options_as(BuildOptions)
    manifest, _ = serialized(job, wanted, partial(_restrict, wanted.compute_capabilities))
    capabilities = ", ".join(sorted(wanted.compute_capabilities)) or "any"
    built_on = {**manifest.built_on, "compute_capabilities": capabilities}
    return dataclasses.replace(manifest, built_on=built_on), []


def compute_capabilities(library: Any) -> dict[str, Any]:
    """Give the compute capabilities that the library builds for, such as `8.6`, with its own constants."""
    members = library.ComputeCapability.__members__
    return {f"{name[2:-1]}.{name[-1]}": value for name, value in members.items() if name.startswith("SM")}


def _restrict(wanted: tuple[str, ...], library: Any, config: Any) -> None:
    """Build for these compute capabilities alone, such as `8.6`: the engine is smaller, and opens faster."""
    if not wanted:
        return
    known = compute_capabilities(library)
    config.num_compute_capabilities = len(wanted)
    for index, capability in enumerate(wanted):
        if capability not in known:
            raise UsageError(
                f"TensorRT for RTX has no compute capability {capability}; it has {', '.join(known)}"
            )
        config.set_compute_capability(known[capability], index)

"""Options of TensorRT: what a build may be asked, and what a manifest says of a serialized engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from edgeseg.engines.flags import flag
from edgeseg.records import Range, Ranged

MOST_CONTEXTS = 64  # inferences side by side, each with buffers of its own
MOST_WORKSPACE_MIB = 1 << 20  # a TiB
_LEVELS = Range(0, 5)
_CORES = Range(0, 15)


@dataclass(frozen=True)
class SharedOptions(Ranged):
    """What builds of TensorRT and of TensorRT for RTX may be asked; None leaves it to the library.

    Attributes:
        workspace_mib: memory that kernels may use while they run.
        optimization_level: 0 (builds fast) to 5 (searches longest).
        contexts: how many inferences may run side by side.
    """

    workspace_mib: Annotated[int, Range(1, MOST_WORKSPACE_MIB)] | None = field(
        default=None, metadata=flag("memory for kernels, in MiB.", name="--workspace")
    )
    optimization_level: Annotated[int, _LEVELS] | None = field(
        default=None, metadata=flag("0 builds fast, 5 searches longest.")
    )
    contexts: Annotated[int, Range(1, MOST_CONTEXTS)] = field(
        default=1, metadata=flag("inferences that may run side by side.")
    )


@dataclass(frozen=True)
class BuildOptions(SharedOptions):
    """What a build may be asked.

    Attributes:
        timing_cache: file of measured kernels, read if it exists, and written; the next build takes less
            time.
        version_compatible: opens in other minor versions too.
        hardware_compatible: runs on every GPU from Ampere on.
        dla_core: run on this deep-learning accelerator of a Jetson, and on the GPU what it does not take.
    """

    timing_cache: Path | None = field(
        default=None,
        metadata=flag(
            "file of measured kernels, read and written; builds faster.", attachment="timing.cache"
        ),
    )
    version_compatible: bool = field(default=False, metadata=flag("opens in other minor versions too."))
    hardware_compatible: bool = field(default=False, metadata=flag("runs on any GPU from Ampere on."))
    dla_core: Annotated[int, _CORES] | None = field(
        default=None, metadata=flag("run on this DLA, and on the GPU what it refuses.")
    )


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says of a serialized engine.

    Attributes:
        contexts: how many inferences may run side by side.
    """

    engine_file: str = "engine.plan"
    contexts: Annotated[int, Range(1, MOST_CONTEXTS)] = 1

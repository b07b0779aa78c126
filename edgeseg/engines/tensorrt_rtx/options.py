"""Options of TensorRT for RTX: what a build may be asked; its manifests say what TensorRT's do."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeseg.engines.flags import flag
from edgeseg.engines.tensorrt.options import EngineOptions, SharedOptions

__all__ = ["BuildOptions", "EngineOptions"]


@dataclass(frozen=True)
class BuildOptions(SharedOptions):
    """What a build may be asked.

    Attributes:
        compute_capabilities: of the GPUs to build for, such as `8.6`; none stands for all.
    """

    compute_capabilities: tuple[str, ...] = field(
        default=(),
        metadata=flag(
            "a GPU to build for, such as 8.6; may repeat. All by default.",
            name="--compute-capability",
            metavar="X.Y",
        ),
    )

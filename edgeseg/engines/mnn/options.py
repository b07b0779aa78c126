"""Options of MNN: what a build may be asked, and what a manifest says of a module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgeseg.engines.flags import flag
from edgeseg.records import Ranged
from edgeseg.spec import THREADS, OutputSpec

Winograd = Literal["large", "small", "none"]


@dataclass(frozen=True)
class BuildOptions(Ranged):
    """What a build may be asked.

    Attributes:
        winograd: how large the units of Winograd's convolutions may be. Large ones are the fastest and round
            the most: of a U-Net of 64 base channels 2e-4 of the largest logit, small ones 1e-6. None stands
            for large, and for small where large ones fail the proof.
    """

    winograd: Winograd | None = field(
        default=None,
        metadata=flag(
            "units of Winograd convolutions: large are fastest, small round less and take less memory; by "
            "default large, or small where large fail the proof."
        ),
    )


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says of a module, which opens without being converted again.

    Attributes:
        outputs: what the graph gives; MNN itself tells neither types nor sizes before it has run.
        threads: 0 takes all cores.
        winograd: see `BuildOptions`; `none` computes all convolutions directly.
    """

    model_file: str = "model.mnn"
    outputs: tuple[OutputSpec, ...] = ()
    threads: Annotated[int, THREADS] = 0
    winograd: Winograd = "large"

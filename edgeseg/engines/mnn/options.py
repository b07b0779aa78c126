"""Options of MNN: what a build may be asked, and what a manifest says of a module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edgeseg.records import Ranged
from edgeseg.spec import THREADS, OutputSpec


@dataclass(frozen=True)
class BuildOptions:
    """Nothing but what every backend is asked."""


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says of a module, which opens without being converted again.

    Attributes:
        outputs: what the graph gives; MNN itself tells neither types nor sizes before it has run.
        threads: 0 takes all cores.
    """

    model_file: str = "model.mnn"
    outputs: tuple[OutputSpec, ...] = ()
    threads: Annotated[int, THREADS] = 0

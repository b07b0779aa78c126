"""Options of ncnn: what a build may be asked, and what a manifest says of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edgeseg.records import Ranged
from edgeseg.spec import THREADS


@dataclass(frozen=True)
class BuildOptions(Ranged):
    """What a build may be asked: nothing that is of ncnn alone."""


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says of a network.

    Attributes:
        labels: names of the outputs whose blobs hold scores, the best of which is found afterwards.
        threads: 0 takes all cores.
        spinning: whether threads that wait for others keep their cores busy. Where each has a core to itself,
            that may be faster; where one has not, it takes several times as long.
    """

    model_file: str = "model.param"
    weights_file: str = "model.bin"
    labels: tuple[str, ...] = ()
    threads: Annotated[int, THREADS] = 0
    spinning: bool = False

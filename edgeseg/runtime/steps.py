"""Turn a frame into its result: the order of the steps, each timed under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.runtime.geometry import Placement
from edgeseg.runtime.preprocess import Prepared
from edgeseg.runtime.sinks.base import Result
from edgeseg.runtime.timing import StageTimes
from edgeseg.spec import ModelSpec

FinishStage = Literal["postprocess", "crf"]


class Steps(Protocol):
    """A segmenter's steps, which are timed apart."""

    @property
    def spec(self) -> ModelSpec:
        """The model's contract."""

    @property
    def finish_stage(self) -> FinishStage:
        """The stage that `finish` is."""

    def preprocess(self, frame: NDArray[np.uint8], /) -> Prepared:
        """Bring a frame (H, W, 3) uint8 BGR into the network's input."""

    def infer(self, prepared: Prepared, /) -> Mapping[str, NDArray[Any]]:
        """Run the network."""

    def finish(
        self, outputs: Mapping[str, NDArray[Any]], placement: Placement, frame: NDArray[np.uint8], /
    ) -> Result:
        """Bring the network's outputs to the frame's own pixels."""


def segment(steps: Steps, frame: NDArray[np.uint8], times: StageTimes | None = None) -> Result:
    """Take one frame (H, W, 3) uint8 BGR through the steps.

    Args:
        times: where the durations go; None: they are not taken.
    """

    def stage(name: str) -> AbstractContextManager[None]:
        return nullcontext() if times is None else times.measure(name)

    with stage("preprocess"):
        prepared = steps.preprocess(frame)
    with stage("infer"):
        outputs = steps.infer(prepared)
    with stage(steps.finish_stage):
        return steps.finish(outputs, prepared.placement, frame)

"""Compute a frame's result: the order of the steps, each timed under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.preprocess import Prepared
from edgeseg.frames.results import Result
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.spec import ModelSpec

FinishStage = Literal["postprocess", "crf"]

_NOTHING = nullcontext()


class Steps(Protocol):
    """A segmenter's steps, which are timed apart."""

    @property
    def spec(self) -> ModelSpec:
        """The model's contract."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that was done otherwise than a user might expect."""

    @property
    def finish_stage(self) -> FinishStage:
        """The stage that `finish` is."""

    def preprocess(self, frame: NDArray[Any], /) -> Prepared:
        """Bring a frame (H, W, C) into the network's input, as one image or several."""

    def infer(self, prepared: Prepared, /) -> Mapping[str, NDArray[Any]]:
        """Run the network."""

    def finish(
        self, outputs: Mapping[str, NDArray[Any]], placement: Placement, frame: NDArray[Any], /
    ) -> Result:
        """Bring the network's outputs to the frame's own pixels."""


def segment(steps: Steps, frame: NDArray[Any], times: StageTimes | None = None) -> Result:
    """Take one frame (H, W, C) through the steps.

    Args:
        times: where the durations go; None: they are not taken.
    """
    measure = _not_measured if times is None else times.measure
    with measure("preprocess"):
        prepared = steps.preprocess(frame)
    with measure("infer"):
        outputs = steps.infer(prepared)
    with measure(steps.finish_stage):
        return steps.finish(outputs, prepared.placement, frame)


def _not_measured(stage: str) -> AbstractContextManager[None]:
    return _NOTHING

"""Choose int8 anew, more strictly, where an engine loses more than its graph did, a few times."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edgeseg.engines.building.conversion import LosesMoreError
from edgeseg.graph.precision.choice import Int8Choice
from edgeseg.graph.precision.convert import Calibration, Say

MOST_CHOICES = 3  # each has an engine of its own
_CACHE_NAME = "calibration.json"

ChosenBy = Calibration | Int8Choice | None
T = TypeVar("T")
Make = Callable[[ChosenBy], T]
"""Makes an engine by what int8 is chosen by, or was."""


def within_bound(chosen_by: ChosenBy, make: Make[T], on_step: Say) -> T:
    """Make an engine; where it loses too much, choose again with what it lost beyond its graph as a margin.

    What was measured for one choice serves the next. What was chosen before is made as it is.

    Raises:
        LosesMoreError: if the last engine loses too much, too, or a margin would leave nothing of the bound.
    """
    if not isinstance(chosen_by, Calibration):
        return make(chosen_by)
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        cache = chosen_by.cache or Path(folder) / _CACHE_NAME
        return _made(dataclasses.replace(chosen_by, cache=cache), make, on_step, MOST_CHOICES)


def _made(calibration: Calibration, make: Make[T], on_step: Say, choices: int) -> T:
    try:
        return make(calibration)
    except LosesMoreError as error:
        margin = calibration.margin + error.beyond
        if choices == 1 or margin >= calibration.max_drop:
            raise
        on_step(f"{error}: choosing again, {margin:.2f} points stricter")
    return _made(dataclasses.replace(calibration, margin=margin), make, on_step, choices - 1)

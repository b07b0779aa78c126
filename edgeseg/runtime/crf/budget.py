"""Choose how much a frame can afford, of refinement or of anything else, by measured times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgeseg.errors import UsageError

SMOOTHING = 0.3  # share of the newest time in the running mean
COMFORT = 0.85  # of the budget: below it a dearer level is tried
PATIENCE = 15  # frames below COMFORT before a dearer level is tried
MEMORY = 150  # frames after which a level that was too dear may be tried again

FEWEST_AT_FULL_SIZE, FEW = 3, 2  # iterations

LevelT = TypeVar("LevelT")


@dataclass(frozen=True)
class Level:
    """How much a frame is refined: mean-field iterations, at full or at half resolution, all or a band.

    The band lies around the boundaries between classes; other pixels keep the network's label.
    """

    iterations: int
    half: bool = False
    band: bool = False


def levels(iterations: int) -> tuple[Level, ...]:
    """Order the levels from the most accurate to the cheapest.

    Fewer iterations come first, then half the resolution, then a band around the boundaries. Below
    FEWEST_AT_FULL_SIZE iterations half the resolution is both faster and nearer to the full result.
    """
    if iterations == 0:
        return (Level(0),)
    most = iterations
    full = (Level(count) for count in range(most, min(most, FEWEST_AT_FULL_SIZE) - 1, -1))
    few = min(most, FEW)
    half = (Level(count, half=True) for count in dict.fromkeys((most, few)))
    band = (Level(count, half=True, band=True) for count in dict.fromkeys((few, 1)))
    return (*full, *half, *band)


def check_budget(budget_ms: float | None) -> None:
    """Refuse a budget of nothing; None stands for no limit.

    Raises:
        UsageError: if it is not above 0.
    """
    if budget_ms is not None and not 0 < budget_ms < math.inf:
        raise UsageError(f"a budget must be above 0 ms, got {budget_ms:g}")


class TimeBudget(Generic[LevelT]):
    """Choose a level for each frame, so that the running mean of its time stays within a budget.

    A frame over budget moves to the next cheaper level at once. After PATIENCE frames with time to spare, the
    next dearer one is tried, unless it was too dear in the last MEMORY frames.

    Args:
        budget_ms: for one frame.
        levels: the most accurate first.
        settling: frames after a move that do not count: they had begun before it.
    """

    def __init__(self, budget_ms: float, levels: tuple[LevelT, ...], *, settling: int = 0) -> None:
        self.budget_ms = budget_ms
        self._levels = levels
        self._settling = settling
        self._unsettled = 0  # frames that are still to come
        self._at = 0
        self._mean_ms: float | None = None
        self._spared = 0
        self._frame = 0
        self._too_dear_at: dict[int, int] = {}

    @property
    def level(self) -> LevelT:
        """The level of the next frame."""
        return self._levels[self._at]

    def add(self, took_ms: float, *, last: int | None = None) -> None:
        """Record how long the last frame took.

        Args:
            last: the cheapest level that may be tried now, by its place; None for all.
        """
        self._frame += 1
        if self._unsettled:
            self._unsettled -= 1
            return
        mean = took_ms if self._mean_ms is None else self._mean_ms + SMOOTHING * (took_ms - self._mean_ms)
        self._mean_ms = mean
        if mean > self.budget_ms:
            self._too_dear_at[self._at] = self._frame
            self._move(1 if last is None or self._at < last else 0)
            return
        self._spared = self._spared + 1 if mean < COMFORT * self.budget_ms else 0
        tried = self._too_dear_at.get(self._at - 1)
        if self._spared >= PATIENCE and (tried is None or self._frame - tried > MEMORY):
            self._move(-1)

    def _move(self, by: int) -> None:
        at = min(max(self._at + by, 0), len(self._levels) - 1)
        if at != self._at:
            self._at, self._mean_ms, self._unsettled = at, None, self._settling
        self._spared = 0

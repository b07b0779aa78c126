"""Choose what a stream does less of, so that its frames keep within a time: quality before frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgeseg.runtime.crf.budget import SMOOTHING, Level, TimeBudget, check_budget, levels
from edgeseg.runtime.crf.instances import InstanceRefinement
from edgeseg.runtime.crf.refinement import Refinement
from edgeseg.runtime.delivery import Delivery
from edgeseg.runtime.streams.dispatch import Recent
from edgeseg.runtime.streams.inbox import Policy

SLOWDOWNS = {2: "half", 4: "a quarter of", 8: "an eighth of"}
INSTANCE_SHARES = (0.5, 0.25, 0.125, 0.0)  # of the budget, that the CRF of instances may take
SETTLING = 3  # frames that may have been under way when a step was taken
MS_PER_S = 1000


@dataclass(frozen=True)
class Step:
    """How much is done.

    Attributes:
        level: of the CRF of labels; None for all of it.
        crf_ms: that the CRF of instances may take a frame; infinite for as long as it takes.
        overlay: it is drawn.
        slowdown: that the rate is divided by.
    """

    level: Level | None = None
    crf_ms: float = math.inf
    overlay: bool = True
    slowdown: int = 1


def steps(refinement: Refinement | InstanceRefinement | None, budget_ms: float | None) -> tuple[Step, ...]:
    """Order what may be done less: first less of the CRF, then no overlay, then a lower rate."""
    found = [Step()]
    if budget_ms is None:
        return tuple(found)
    if isinstance(refinement, Refinement):
        found += [Step(level) for level in levels(refinement.iterations)[1:]]
    elif refinement is not None:
        found += [Step(crf_ms=share * budget_ms) for share in INSTANCE_SHARES]
    found.append(replace(found[-1], overlay=False))
    found += [replace(found[-1], slowdown=slowdown) for slowdown in SLOWDOWNS]
    return tuple(found)


class Shedding:
    """What one stream does less of, by how long its frames take.

    A frame counts from its capture, or under the policy `every` from when it is taken up, to its result. The
    running mean of that is kept within the budget as `TimeBudget` does, one step at a time. The rate is
    lowered only where that can help: where the stages alone, without waiting, keep within the budget, and
    where frames may be left out at all.

    One thread adds times; others may read.

    Args:
        budget_ms: for one frame; None for as long as it takes.
        refinement: the stream's CRF, which is told how much it may do where there is a budget.

    Attributes:
        step: how much is done now.
        may_slow_down: frames may be left out.
        draws: there is an overlay to leave out.

    Raises:
        UsageError: if `budget_ms` is not above 0.
    """

    def __init__(self, budget_ms: float | None, refinement: Refinement | InstanceRefinement | None) -> None:
        check_budget(budget_ms)
        self.may_slow_down = False
        self.draws = False
        self._refinement = None if budget_ms is None else refinement
        self._own_s = refinement.budget_s if isinstance(refinement, InstanceRefinement) else math.inf
        self._steps = steps(refinement, budget_ms)
        limit_ms = math.inf if budget_ms is None else budget_ms
        self._budget = TimeBudget(limit_ms, self._steps, settling=SETTLING)
        self.step = self._steps[0]
        self._work_ms: float | None = None
        self._frames = self._less_crf = self._no_overlay = self._slow = 0
        self._took_s: float | None = None  # when the last frame was taken
        self._between = Recent()  # those taken at the full rate

    def note(self, stages_ms: Mapping[str, float], policy: Policy | None, delivery: Delivery) -> None:
        """Record what the last frame took, in all (`total`) and each stage; have less drawn if need be."""
        self.may_slow_down = policy == "latest"
        self.draws = delivery.wants_overlay
        total_ms = stages_ms["total"]
        self.add(total_ms, sum(stages_ms.values()) - total_ms)
        delivery.overlay = self.step.overlay

    def add(self, latency_ms: float, work_ms: float) -> None:
        """Record what the last frame took, and choose how much is done for the next.

        Args:
            latency_ms: from capture to result.
            work_ms: the part of it that it did not wait.
        """
        self._count()
        mean_ms = work_ms if self._work_ms is None else self._work_ms + SMOOTHING * (work_ms - self._work_ms)
        self._work_ms = mean_ms
        helps = self.may_slow_down and mean_ms <= self._budget.budget_ms
        self._budget.add(latency_ms, last=None if helps else len(self._steps) - 1 - len(SLOWDOWNS))
        self.step = self._budget.level
        if isinstance(self._refinement, Refinement):
            self._refinement.level = self.step.level
        elif self._refinement is not None:
            self._refinement.budget_s = min(self._own_s, self.step.crf_ms / MS_PER_S)

    def took(self, now_s: float) -> None:
        """A frame was taken."""
        if self._took_s is not None and self.step.slowdown == 1:
            self._between.add(now_s - self._took_s)
        self._took_s = now_s

    @property
    def rests_until_s(self) -> float:
        """Before when no frame is taken; minus infinity at the full rate."""
        if self.step.slowdown == 1 or self._took_s is None:
            return -math.inf
        return self._took_s + self.step.slowdown * self._between.usual_s

    def lines(self) -> tuple[str, ...]:
        """Say what is done less now."""
        step = self.step
        found = []
        if step.level is not None:
            assert isinstance(self._refinement, Refinement)
            found.append(_of_level(step.level, self._refinement.iterations))
        if math.isfinite(step.crf_ms):
            found.append(f"CRF of the best instances, for {step.crf_ms:.3g} ms" if step.crf_ms else "no CRF")
        if not step.overlay and self.draws:
            found.append("no overlay")
        if step.slowdown > 1:
            found.append(f"{SLOWDOWNS[step.slowdown]} the rate")
        return tuple(found)

    def summary(self) -> tuple[str, ...]:
        """Say what was done less in all."""
        counts = {
            "less of the CRF": self._less_crf,
            "no overlay": self._no_overlay if self.draws else 0,
            "a lower rate": self._slow,
        }
        return tuple(f"{what} in {count} of {self._frames} frames" for what, count in counts.items() if count)

    def _count(self) -> None:
        self._frames += 1
        self._less_crf += self.step.level is not None or math.isfinite(self.step.crf_ms)
        self._no_overlay += not self.step.overlay
        self._slow += self.step.slowdown > 1


def _of_level(level: Level, iterations: int) -> str:
    where = " at half the resolution" if level.half else ""
    where += " along boundaries" if level.band else ""
    return f"CRF with {level.iterations} of {iterations} iterations{where}"

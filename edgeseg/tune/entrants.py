"""Make the engines of all plans, and measure how accurate each is and how much memory it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import EngineError
from edgeseg.graph.portable import PortableModel
from edgeseg.runtime.profiling.memory import in_mb
from edgeseg.tune.accuracy import ACCURACY, Judge
from edgeseg.tune.budget import Budget, TimeIsUpError
from edgeseg.tune.images import TuningImages
from edgeseg.tune.making import Made, Maker, NotMadeError, segmenting
from edgeseg.tune.memory import peak_of
from edgeseg.tune.report import LeftOut
from edgeseg.tune.space import Plan
from edgeseg.tune.work import Work

MEMORY = "memory"  # a kind of what is kept
MEMORY_TIMEOUT_S = 300.0
LATER = "there was no time left"


class TooLargeError(EngineError):
    """An engine takes more memory than it may."""


@dataclass(frozen=True)
class Entrant:
    """An engine that was made and judged.

    Attributes:
        points: its accuracy, 0..100.
        memory_bytes: of a process that runs it; None if that is not known.
    """

    made: Made
    points: float
    memory_bytes: int | None


@dataclass(frozen=True)
class Entrants:
    """What became of all plans."""

    entrants: Sequence[Entrant]
    refused: Sequence[LeftOut]
    not_tried: Sequence[LeftOut]


@dataclass(frozen=True)
class Gate:
    """Lets engines in that can be made.

    Attributes:
        on_step: told what happens.
        max_memory: bytes that a process which runs an engine may take; None for any.
    """

    work: Work
    maker: Maker
    models: Sequence[PortableModel]
    judge: Judge
    images: TuningImages
    budget: Budget
    on_step: Callable[[str], None]
    max_memory: int | None = None

    def admit(self, plans: Sequence[Plan]) -> Entrants:
        """Make and judge the engines of plans, in their order, as long as there is time."""
        entrants: list[Entrant] = []
        refused: list[LeftOut] = []
        not_tried: list[LeftOut] = []
        for number, plan in enumerate(plans, start=1):
            if _is_made(plan, entrants):
                continue
            if not_tried:
                not_tried.append(left_out(self.models, plan, LATER))
                continue
            try:
                entrants.append(self._admitted(plan, f"engine {number} of {len(plans)}"))
            except (NotMadeError, EngineError) as error:
                refused.append(left_out(self.models, plan, str(error)))
            except TimeIsUpError:
                not_tried.append(left_out(self.models, plan, "time was up while it was made or measured"))
        return Entrants(entrants, refused, not_tried)

    def _admitted(self, plan: Plan, place: str) -> Entrant:
        def say(step: str) -> None:
            self.budget.check()
            self.on_step(f"{place}, {named(self.models, plan)}: {step}")

        say("making it")
        made = dataclasses.replace(self.maker, on_step=say, check=self.budget.check).make(plan)
        memory = self._memory(made, say)
        key = {**self.maker.key(plan), "truth": self.judge.truth}
        points = self.work.recall(ACCURACY, key)
        if points is None:
            say("measuring accuracy")
            with segmenting(made.folder, made.manifest) as segmenter:
                points = self.judge.points(segmenter, self.budget.check)
            self.work.keep(ACCURACY, key, points)
        return Entrant(made, float(points), memory)

    def _memory(self, made: Made, say: Callable[[str], None]) -> int | None:
        """Measure the bytes that a process takes. Raises TooLargeError if those are more than it may."""
        took = self._peak(made, say)
        if self.max_memory is not None and (took is None or took > self.max_memory):
            said = "its memory could not be measured" if took is None else f"it takes {in_mb(took)}"
            raise TooLargeError(f"{said}, --max-memory allows {in_mb(self.max_memory)}")
        return took

    def _peak(self, made: Made, say: Callable[[str], None]) -> int | None:
        key = {**self.maker.key(made.plan), "frame": str(self.images.paths[0].name)}
        kept = self.work.recall(MEMORY, key)
        if kept is None:
            say("measuring memory")
            timeout_s = min(MEMORY_TIMEOUT_S, self.budget.left_s)
            kept = peak_of(made.folder, self.images.paths[0], timeout_s=timeout_s)
            if kept is not None:
                self.work.keep(MEMORY, key, kept)
        return None if kept is None else int(kept)


def _is_made(plan: Plan, entrants: Sequence[Entrant]) -> bool:
    """Whether an engine is there already that is the same, since passes had nothing to change in it."""
    with_passes = dataclasses.replace(plan, passes=True)
    return not plan.passes and any(
        one.made.plan == with_passes and not one.made.manifest.passes for one in entrants
    )


def named(models: Sequence[PortableModel], plan: Plan) -> str:
    """Name a plan for a person."""
    parts = [Path(models[plan.model].name).name] if len(models) > 1 else []
    parts += [plan.backend, plan.precision]
    if plan.device != "cpu":
        parts.append(plan.device)
    if plan.passes:
        parts.append("with passes")
    return " ".join(parts)


def left_out(models: Sequence[PortableModel], plan: Plan, reason: str) -> LeftOut:
    """Say of a plan why there is no engine of it."""
    name = Path(models[plan.model].name).name
    return LeftOut(name, plan.backend, plan.device, plan.precision, plan.passes, reason)

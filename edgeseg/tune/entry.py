"""Find the fastest engine of a network on this machine that is accurate enough, and write it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.errors import EngineError, UsageError
from edgeseg.evaluation.entry import check_alike
from edgeseg.evaluation.opening import open_segmenter
from edgeseg.graph.portable import PortableModel
from edgeseg.machine import this_machine
from edgeseg.manifest import engine_folder
from edgeseg.records import to_json_value
from edgeseg.runtime.profiling.watch import Watch
from edgeseg.tune.accuracy import Judge, Labels
from edgeseg.tune.budget import Budget, TimeIsUpError
from edgeseg.tune.entrants import Entrants, Gate, left_out
from edgeseg.tune.images import MOST_IMAGES, TuningImages, content_of
from edgeseg.tune.keeping import first_proven, put_report
from edgeseg.tune.making import Maker
from edgeseg.tune.ranking import Ranking
from edgeseg.tune.report import LeftOut, Tuning
from edgeseg.tune.space import Space, chosen_sizes, plans_of
from edgeseg.tune.timing import Timed, time_in_rounds
from edgeseg.tune.work import Work

MAKING_SHARE = 0.7  # of the time, for making and judging engines; timing has what is left then
MAX_DROP = 0.5  # points
ROUNDS = "rounds"  # a kind of what is kept
ANYTHING = Space()

Say = Callable[[str], None]


def tune(
    models: Sequence[Path],
    output: Path,
    *,
    images: Path,
    work: Path,
    labels: Labels | None = None,
    max_drop: float = MAX_DROP,
    max_memory: int | None = None,
    sizes: Sequence[tuple[int, int]] = (),
    space: Space = ANYTHING,
    budget_s: float = math.inf,
    most_images: int = MOST_IMAGES,
    measure_again: bool = False,
    on_step: Say = lambda step: None,
) -> Tuning:
    """Make the engines of a space, time frames of them in turn, and keep the fastest that is accurate enough.

    Args:
        models: portable models of one task and the same classes, such as one network at several sizes. The
            first is what accuracy is held against, in fp32.
        output: a folder for the engine, which is written whole, with the report in it.
        images: a folder of typical ones.
        work: a folder that keeps what was made and measured, for the next run.
        labels: of the images; without them the truth is what the fp32 model finds.
        max_drop: points of mIoU, or of AP of masks, that the engine may lose against the fp32 model.
        max_memory: bytes that a process which runs the engine may take; None for any.
        sizes: (height, width) of those of the models to take; all if empty.
        budget_s: for the whole, in seconds.
        most_images: of the folder, that accuracy and int8 ranges are measured on.
        measure_again: time frames anew.
        on_step: told what happens next.

    Raises:
        EngineError: if no engine can be made, or was within the time, or none is accurate enough.
        ExportError: if a model is no portable one.
        ParityError: if no engine computes what it computed when it was built.
        UsageError: if models, images and labels do not fit each other.
    """
    budget, started_at = Budget(budget_s), datetime.now(timezone.utc).isoformat(timespec="seconds")
    paths, read = _of_sizes(models, sizes)
    plans = plans_of(len(read), space)
    chosen = TuningImages.of(images, read[0].spec, most=most_images)

    def say(step: str) -> None:
        on_step(step if math.isinf(budget_s) else f"{step} ({Budget(budget.left_s)} left)")

    with ExitStack() as opened:
        staging = opened.enter_context(engine_folder(output))
        kept = opened.enter_context(Work(work))
        reference = opened.enter_context(open_segmenter(paths[0]))
        if labels is None:
            judge = Judge.by_reference(reference, chosen)
        else:
            judge = Judge.by_labels(read[0], images, labels, most_images)
        making = budget.share(MAKING_SHARE)
        say("measuring accuracy of the fp32 model")
        try:
            fp32_points = judge.fp32_points(kept, reference, making.check)
        except TimeIsUpError as error:
            raise _too_short(budget, work) from error
        maker = _maker(kept, read, chosen, max_drop, space)
        admitted = Gate(kept, maker, read, judge, chosen, making, say, max_memory).admit(plans)
        frames = chosen.frames(read[0].spec)
        ranking = Ranking.of(read, admitted.entrants, fp32_points, max_drop)
        timing = Timing(kept, maker, chosen, frames, budget, say)
        timed, disturbed = timing.of(ranking, measure_again)
        order = ranking.order(timed)
        if not order:
            raise _none(admitted, ranking, timed, budget, work)
        say("proving the engine that is kept")
        place, errors = first_proven(staging, [ranking.ways[name] for name in order])
        unproven = dict(zip(order, errors, strict=False))
        report = Tuning(
            accuracy_of=judge.title,
            fp32_accuracy=fp32_points,
            max_drop=max_drop,
            images=len(judge.data),
            frame_hw=(frames[0].shape[0], frames[0].shape[1]),
            candidates=ranking.candidates(timed, order[place]),
            refused=(*admitted.refused, *_failed(ranking, {**timed.failed, **unproven})),
            not_tried=tuple(admitted.not_tried),
            complete=timed.over and not admitted.not_tried,
            seconds=budget.used_s,
            budget_s=None if math.isinf(budget_s) else budget_s,
            started_at=started_at,
            machine=this_machine(),
            notes=tuple(dict.fromkeys([*disturbed, *chosen.notes, *judge.data.notes])),
        )
        put_report(staging, report)
    return report


@dataclass(frozen=True)
class Timing:
    """Times engines on the first of the images, and keeps every round."""

    work: Work
    maker: Maker
    images: TuningImages
    frames: Sequence[NDArray[Any]]
    budget: Budget
    say: Say

    def of(self, ranking: Ranking, again: bool) -> tuple[Timed, list[str]]:
        """Time engines, going on from the rounds that were kept of the same ones, unless `again`.

        Returns:
            What was timed, and what disturbed it.
        """
        key = {
            "engines": [
                {**self.maker.key(way.entrant.made.plan), "options": to_json_value(way.manifest.options)}
                for way in ranking.ways.values()
            ],
            "frames": content_of(self.images.paths[: len(self.frames)]),
        }
        before = None if again else self.work.recall(ROUNDS, key)
        rounds, failed = (before["rounds"], before["failed"]) if before else ([], {})

        def keep(timed: Timed) -> None:
            value = {"rounds": [dict(one) for one in timed.rounds], "failed": {**failed, **timed.failed}}
            self.work.keep(ROUNDS, key, value)
            self.say(f"timing, round {len(timed.rounds)}: {len(timed.alive)} could be the fastest")

        with Watch() as watch:
            timed = time_in_rounds(
                {name: way.open for name, way in ranking.ways.items() if name not in failed},
                ranking.accurate,
                self.frames,
                plain=ranking.plain,
                rounds=rounds,
                budget=self.budget,
                on_round=keep,
            )
        disturbances = watch.surroundings().disturbances if len(timed.rounds) > len(rounds) else ()
        notes = [f"while frames were timed, {one.text}" for one in disturbances]
        return dataclasses.replace(timed, failed={**failed, **timed.failed}), notes


def _of_sizes(
    models: Sequence[Path], sizes: Sequence[tuple[int, int]]
) -> tuple[list[Path], list[PortableModel]]:
    """Read models, and keep those of the sizes asked for."""
    read = [PortableModel.read(path) for path in models]
    for model in read[1:]:
        check_alike(read[0].spec, model.spec)
    places = chosen_sizes(read, sizes)
    for model in read:
        model.release()
    return [models[place] for place in places], [read[place] for place in places]


def _maker(
    work: Work, models: Sequence[PortableModel], chosen: TuningImages, max_drop: float, space: Space
) -> Maker:
    @cache
    def prepared(place: int) -> NDArray[Any]:
        return chosen.prepared(models[place].spec)

    return Maker(work, models, prepared, content_of(chosen.paths), max_drop, space.threads)


def _failed(ranking: Ranking, reasons: dict[str, str]) -> list[LeftOut]:
    plans = {name: ranking.ways[name].entrant.made.plan for name in reasons}
    return [left_out(ranking.models, plans[name], reason) for name, reason in reasons.items()]


def _too_short(budget: Budget, work: Path) -> EngineError:
    return EngineError(
        f"{budget} were too short to make and time an engine; run again, which goes on from {work}, or give "
        "more with --budget"
    )


def _none(
    admitted: Entrants, ranking: Ranking, timed: Timed, budget: Budget, work: Path
) -> EngineError | UsageError:
    """Say why there is no engine to keep."""
    if not admitted.entrants and admitted.refused and not admitted.not_tried:
        first = admitted.refused[0]
        return EngineError(f"no engine is left; of {first.backend} in {first.precision}: {first.reason}")
    if ranking.ways and not ranking.accurate:
        best = min(map(ranking.drop, ranking.ways.values()))
        return EngineError(
            f"no engine loses {ranking.max_drop:g} points or less, the best loses {best:g}; allow more with "
            "--max-drop, or give the larger model first"
        )
    if len(timed.failed) == len(ranking.ways) and timed.failed:
        return EngineError(f"no engine could be timed: {next(iter(timed.failed.values()))}")
    return _too_short(budget, work)

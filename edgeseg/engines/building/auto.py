"""Race the engines that this processor can run: make and time them all, and keep the fastest that passes."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from edgeseg.engines.candidates import inferring, key_of
from edgeseg.engines.job import BuildJob, FillEngine
from edgeseg.engines.preflight import preflight
from edgeseg.engines.race import Contender
from edgeseg.engines.registry import AUTO
from edgeseg.engines.tuning import Measured, measure_opened
from edgeseg.errors import EngineError, MissingExtraError, ParityError
from edgeseg.manifest import Manifest

SLOWER = "slower than another once it was made so that it passes"


class HasManifest(Protocol):
    """What a proof has found of an engine."""

    @property
    def manifest(self) -> Manifest:
        """Of the engine that passed."""
        ...


Proven = TypeVar("Proven", bound=HasManifest)


@dataclass(frozen=True)
class Made:
    """An engine under construction, by the job of its backend."""

    job: BuildJob
    manifest: Manifest

    def computes_as(self, other: Made) -> bool:
        """Whether both were made alike, so that what was timed of one holds of the other."""
        mine, its = self.manifest, other.manifest
        return (mine.options, mine.passes) == (its.options, its.passes)


@dataclass(frozen=True)
class Race:
    """Engines that were made for one request, fastest first.

    Attributes:
        made: those that may still be the engine.
        measured: times of the engines; where one backend was asked for, of its options.
        turned_down: why the other backends of `auto` made none, by name.
        time: times engines in turn, fastest first.
    """

    made: Sequence[Made]
    measured: Sequence[Measured]
    time: Callable[[Sequence[Made]], Sequence[Measured]]
    turned_down: Mapping[str, str] = field(default_factory=dict)

    def first_that(self, prove: Callable[[Made], Proven]) -> tuple[Proven, Race]:
        """Prove engines, fastest first, until one passes, which alone stays; those before it are turned down.

        One that passes only after it was made anew, to round less, is timed again beside those that wait, and
        those that are faster than it come first.

        Args:
            prove: proves an engine; gives what it has found, with the manifest of the engine that passed.

        Raises:
            EngineError, ParityError: what is wrong with the fastest, if none passes.
        """
        turned_down, measured = dict(self.turned_down), self.measured
        errors: list[EngineError | ParityError] = []
        waiting = list(self.made)
        passed: tuple[Proven, Made] | None = None
        while waiting:
            made = waiting.pop(0)
            try:
                proven = prove(made)
            except (EngineError, ParityError) as error:
                errors.append(error)
                turned_down[made.manifest.backend] = str(error)
                continue
            if passed is not None:
                turned_down[passed[1].manifest.backend] = SLOWER
            passed = proven, Made(made.job, proven.manifest)
            if not waiting or passed[1].computes_as(made):
                break
            again = self.time([passed[1], *waiting])
            ranked = [entry.options["backend"] for entry in again]
            faster = ranked[: ranked.index(made.manifest.backend)]
            before = [entry for entry in measured if entry.options["backend"] not in ranked]
            measured = sorted([*again, *before], key=lambda entry: entry.median_ms)
            waiting = sorted(
                (one for one in waiting if one.manifest.backend in faster),
                key=lambda one: faster.index(one.manifest.backend),
            )
        if passed is None:
            raise errors[0]
        return passed[0], dataclasses.replace(
            self, made=[passed[1]], measured=measured, turned_down=turned_down
        )

    def put(self, folder: Path) -> None:
        """Move the engine that stays into `folder`, in which all were made, and remove the others."""
        (winner,) = self.made
        if winner.job.staging == folder:
            return
        for name in winner.manifest.files:
            shutil.move(winner.job.staging / name, folder / name)
        for entry in self.measured:
            shutil.rmtree(folder / entry.options["backend"])

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """List the backends of `auto`: those timed, fastest first, then those that made no engine."""
        timed = {str(entry.options["backend"]): entry for entry in self.measured}
        return tuple(
            Contender(
                name,
                None if (entry := timed.get(name)) is None else str(entry.options["version"]),
                None if entry is None else entry.median_ms,
                self.turned_down.get(name),
            )
            for name in dict.fromkeys([*timed, *self.turned_down])
        )


def make(job: BuildJob, fill: FillEngine) -> Race:
    """Make the engine that a job asks for; for `auto` one with each library that is here, and time them.

    Args:
        fill: makes the engine of one backend.

    Raises:
        EngineError, MissingExtraError: why there is none, of the first backend that could.
    """
    if job.request.backend != AUTO:
        manifest, measured = fill(job)
        return Race([Made(job, manifest)], measured, partial(_timed, job))
    made: dict[str, Made] = {}
    refused: dict[str, EngineError | MissingExtraError] = _unfit(job)
    for backend in job.request.backends:
        if backend in refused:
            continue
        staging = job.staging / backend
        staging.mkdir()
        own = dataclasses.replace(job, staging=staging, request=job.request.of(backend))
        try:
            made[backend] = Made(own, fill(own)[0])
        except (EngineError, MissingExtraError) as error:
            refused[backend] = error
            shutil.rmtree(staging)
    if not made:
        errors = list(refused.values())
        raise next((error for error in errors if isinstance(error, EngineError)), errors[0])
    measured = _timed(job, list(made.values()))
    ranked = [made[entry.options["backend"]] for entry in measured]
    turned_down = {backend: str(error) for backend, error in refused.items()}
    return Race(ranked, measured, partial(_timed, job), turned_down)


def _unfit(job: BuildJob) -> dict[str, EngineError | MissingExtraError]:
    """Say of each backend that will refuse the graph why."""
    unfit: dict[str, EngineError | MissingExtraError] = {}
    for backend in job.request.backends:
        findings = preflight(job.model.model, backend)
        if findings:
            unfit[backend] = EngineError(f"{backend} will refuse {findings[0]}")
    job.model.release()
    return unfit


def _timed(job: BuildJob, engines: Sequence[Made]) -> list[Measured]:
    """Time an inference of each engine in turn, fastest first, or recall the times."""
    manifests = [made.manifest for made in engines]
    labels = [{"backend": manifest.backend, "version": manifest.backend_version} for manifest in manifests]

    def timed() -> list[Measured]:
        openers = [partial(inferring, made.job, made.manifest) for made in engines]
        return measure_opened(list(zip(labels, openers, strict=True)))

    return job.timings.measured(key_of(job, *manifests), labels, timed)

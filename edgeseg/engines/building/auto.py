"""Build the fastest of the engines that this processor can run, measured on the spot."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from edgeseg.engines.candidates import key_of
from edgeseg.engines.job import BuildJob, FillEngine
from edgeseg.engines.preflight import preflight, refuse_unfit
from edgeseg.engines.tuning import Measured, measure
from edgeseg.errors import MissingExtraError
from edgeseg.manifest import Manifest


def fill_engine(job: BuildJob, fill: FillEngine) -> tuple[Manifest, list[Measured]]:
    """Make an engine with each library that is installed and takes the graph, and keep the fastest.

    Args:
        fill: makes the engine of one backend.

    Returns:
        The manifest of the fastest, and the time of each with the best of its own options.
    """
    taking = [name for name in job.request.backends if not preflight(job.model.model, name)]
    if not taking:
        refuse_unfit(job.model.model, job.request.backends[0])
    made: dict[str, tuple[Path, Manifest]] = {}
    missing: MissingExtraError | None = None
    for backend in taking:
        staging = job.staging / backend
        staging.mkdir()
        try:
            own = dataclasses.replace(job, staging=staging, request=job.request.of(backend))
            made[backend] = staging, fill(own)[0]
        except MissingExtraError as error:
            missing = missing or error
    if missing is not None and not made:
        raise missing
    measured = _compare(job, list(made.values()))
    staging, manifest = made[measured[0].options["backend"]]
    for name in manifest.files:
        shutil.move(staging / name, job.staging / name)
    for backend in taking:
        shutil.rmtree(job.staging / backend)
    return manifest, measured


def _compare(job: BuildJob, engines: Sequence[tuple[Path, Manifest]]) -> list[Measured]:
    manifests = [manifest for _, manifest in engines]
    labels = [{"backend": manifest.backend, "version": manifest.backend_version} for manifest in manifests]

    def timed() -> list[Measured]:
        with ExitStack() as opened:
            candidates = []
            for label, (folder, manifest) in zip(labels, engines, strict=True):
                runner = opened.enter_context(closing(job.open_engine(folder, manifest)))
                candidates.append((label, lambda runner=runner: runner.infer(job.image)))
            return measure(candidates)

    return job.timings.measured(key_of(job, *manifests), labels, timed)

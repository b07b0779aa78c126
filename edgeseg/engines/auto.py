"""Turn a portable model into the faster of the engines that this processor can run, measured on the spot."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from edgeseg.bundle import Manifest
from edgeseg.engines.builders import CPU_BACKENDS, fill_engine_of
from edgeseg.engines.job import BuildJob, Request
from edgeseg.errors import MissingExtraError, UsageError
from edgeseg.export.engines.tuning import Measured, measure
from edgeseg.spec import Int8Scheme

CPU = "cpu"


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Make an engine with each library that is installed, and keep the faster; see `FillEngine`.

    Returns:
        The manifest of the faster, and the time of each with the best of its own options.
    """
    if job.request.device not in (None, CPU):
        raise UsageError(f"auto compares backends on the {CPU}; for {job.request.device}, name a --backend")
    made: dict[str, tuple[Path, Manifest]] = {}
    missing: MissingExtraError | None = None
    for backend in CPU_BACKENDS:
        staging = job.staging / backend
        staging.mkdir()
        request = dataclasses.replace(job.request, backend=backend)
        own_job = dataclasses.replace(job, staging=staging, request=request)
        try:
            made[backend] = staging, fill_engine_of(backend)(own_job)[0]
        except MissingExtraError as error:
            missing = missing or error
    if missing is not None and not made:
        raise missing
    measured = _compare(job, list(made.values()))
    staging, manifest = made[measured[0].options["backend"]]
    for name in manifest.files:
        shutil.move(staging / name, job.staging / name)
    for backend in CPU_BACKENDS:
        shutil.rmtree(job.staging / backend)
    return manifest, measured


def int8_scheme(request: Request) -> Int8Scheme:
    """Choose the form that both libraries fuse into int8 kernels; see `Int8Scheme`."""
    return "onnxruntime"


def _compare(job: BuildJob, engines: Sequence[tuple[Path, Manifest]]) -> list[Measured]:
    with ExitStack() as opened:
        candidates = []
        for folder, manifest in engines:
            runner = opened.enter_context(closing(job.open_engine(folder, manifest)))
            label = {"backend": manifest.backend, "version": manifest.backend_version}
            candidates.append((label, lambda runner=runner: runner.infer(job.image)))
        return measure(candidates)

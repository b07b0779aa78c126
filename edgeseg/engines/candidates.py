"""Time option sets of one engine: each opened as the device will, and run side by side."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import Backend
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob
from edgeseg.engines.tuning import Measured, measure
from edgeseg.manifest import Manifest
from edgeseg.records import to_json_value


def thread_counts(asked: int | None) -> list[int]:
    """List the thread counts worth measuring: one, half of the cores, all; or what was asked for."""
    cores = usable_cores()
    return [asked] if asked else sorted({1, max(1, cores // 2), cores})


def measure_options(
    job: BuildJob, manifest: Manifest, choices: Sequence[Mapping[str, Any]], *, at_once: int = 1
) -> list[Measured]:
    """Open the engine under construction with each of the choices, and time an inference, or recall it.

    Args:
        manifest: of the engine in `job.staging`; each of `choices` is put over its options.
        at_once: inferences that run at the same time; the time is that of all, divided by their number.

    Returns:
        One entry a choice, with all options, the fastest first.
    """
    candidates = [{**manifest.options, **choice} for choice in choices]

    def timed() -> list[Measured]:
        return _timed(job, manifest, candidates, at_once)

    if manifest.device != CPU:  # what is kept is known by the processor
        return timed()
    return job.timings.measured({**key_of(job, manifest), "at_once": str(at_once)}, candidates, timed)


def key_of(job: BuildJob, *manifests: Manifest) -> dict[str, str]:
    """Say what the time of an inference of engines depends on besides the machine; see `Timings`."""
    engines = [{**to_json_value(manifest), "spec": None} for manifest in manifests]
    return {
        "graph": job.model.sha256,
        "image": hashlib.sha256(job.image.tobytes()).hexdigest(),
        "engines": json.dumps(engines, sort_keys=True),
    }


def _timed(
    job: BuildJob, manifest: Manifest, candidates: Sequence[Mapping[str, Any]], at_once: int
) -> list[Measured]:
    with ExitStack() as opened:
        pool = opened.enter_context(ThreadPoolExecutor(at_once))
        calls = []
        for options in candidates:
            runner = job.open_engine(job.staging, dataclasses.replace(manifest, options=options))
            opened.enter_context(closing(runner))
            calls.append(_call(runner, job, pool, at_once))
        return measure(list(zip(candidates, calls, strict=True)), inferences=at_once)


def _call(runner: Backend, job: BuildJob, pool: ThreadPoolExecutor, at_once: int) -> Callable[[], object]:
    if at_once == 1:
        return lambda: runner.infer(job.image)
    return lambda: list(pool.map(runner.infer, [job.image] * at_once))

"""Time option sets of one engine: each opened as the device will, and run side by side."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from edgeseg.cores import usable_cores
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob
from edgeseg.engines.tuning import Call, Measured, measure_opened
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
    with ThreadPoolExecutor(at_once) as pool:

        @contextmanager
        def opened(options: Mapping[str, Any]) -> Iterator[Call]:
            with inferring(job, dataclasses.replace(manifest, options=options)) as infer:
                yield infer if at_once == 1 else lambda: list(pool.map(lambda _: infer(), range(at_once)))

        return measure_opened(
            [(options, partial(opened, options)) for options in candidates], inferences=at_once
        )


@contextmanager
def inferring(job: BuildJob, manifest: Manifest) -> Iterator[Call]:
    """Open the engine in a job's folder, for one inference after another of the job's image."""
    with closing(job.open_engine(job.staging, manifest)) as runner:
        yield partial(runner.infer, job.image)

"""Time a finished engine in int8 or fp16 beside the same model in fp32."""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from edgeseg.engines.backend import Backend
from edgeseg.engines.building.builders import write_files_of
from edgeseg.engines.candidates import key_of
from edgeseg.engines.job import BuildJob
from edgeseg.engines.tuning import Measured, measure
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import Manifest


def beside_float(job: BuildJob, model: PortableModel, manifest: Manifest, engine: Backend) -> list[Measured]:
    """Measure an engine and one of its portable model in turn, with the same threads, fastest first.

    Args:
        job: that the engine was made by.
        model: the portable model.
        manifest: of the engine.

    Returns:
        Two entries, whose options are the `precision` alone; none where engines take time to make.
    """
    write = write_files_of(manifest.backend)
    if write is None:
        return []
    request = dataclasses.replace(job.request.of(manifest.backend), precision="fp32", options={})
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        own = dataclasses.replace(job, staging=Path(folder), model=model, request=request)
        written = write(own)
        float_manifest = dataclasses.replace(written, options={**manifest.options, **written.options})
        labels: list[dict[str, Any]] = [{"precision": manifest.precision}, {"precision": "fp32"}]

        def timed() -> list[Measured]:
            with closing(job.open_engine(own.staging, float_manifest)) as in_float:
                runners = (engine, in_float)
                return measure(
                    [
                        (label, partial(runner.infer, job.image))
                        for label, runner in zip(labels, runners, strict=True)
                    ]
                )

        return job.timings.measured(key_of(job, manifest, float_manifest), labels, timed)

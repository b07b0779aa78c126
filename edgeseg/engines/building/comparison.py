"""Time a finished engine in int8 or fp16 beside the same model in fp32."""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import closing
from pathlib import Path

from edgeseg.engines.backend import Backend
from edgeseg.engines.building.builders import write_files_of
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
        with closing(job.open_engine(own.staging, float_manifest)) as in_float:
            return measure(
                [
                    ({"precision": manifest.precision}, lambda: engine.infer(job.image)),
                    ({"precision": "fp32"}, lambda: in_float.infer(job.image)),
                ]
            )

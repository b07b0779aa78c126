"""Build an ncnn engine: converted by edgeseg itself, its threads measured, and how they wait."""

from __future__ import annotations

import dataclasses
import importlib.metadata

from edgeseg.engines.apart.process import check_installed
from edgeseg.engines.backend import written
from edgeseg.engines.candidates import measure_options, thread_counts
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob
from edgeseg.engines.ncnn.conversion import converted
from edgeseg.engines.ncnn.facts import FACTS
from edgeseg.engines.ncnn.network import parameters_of, write_weights
from edgeseg.engines.ncnn.options import EngineOptions
from edgeseg.engines.tuning import Measured
from edgeseg.manifest import Manifest

MODEL_FILE, WEIGHTS_FILE = EngineOptions.model_file, EngineOptions.weights_file


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the converted model and decide its options; see `FillEngine`."""
    manifest = write_files(job)
    choices = [{"threads": count, "spinning": False} for count in thread_counts(job.request.threads)]
    if choices[-1]["threads"] > 1:
        choices.append({**choices[-1], "spinning": True})
    measured = measure_options(job, manifest, choices)
    return dataclasses.replace(manifest, options=measured[0].options), measured


def write_files(job: BuildJob) -> Manifest:
    """Write the converted model; see `WriteFiles`."""
    check_installed(FACTS)
    network = converted(job.model.model.graph)
    (job.staging / MODEL_FILE).write_text(parameters_of(network.layers))
    with (job.staging / WEIGHTS_FILE).open("wb") as file:
        write_weights(network.layers, file)
    threads = {} if job.request.threads is None else {"threads": job.request.threads}
    options = written(EngineOptions, labels=network.labels, **threads)
    return Manifest(
        backend="ncnn",
        backend_version=importlib.metadata.version(FACTS.modules[0]),
        precision=job.request.precision,
        device=job.request.device or CPU,
        spec=job.spec,
        model_sha256=job.model_sha256,
        files={MODEL_FILE: "", WEIGHTS_FILE: ""},
        options=options,
    )

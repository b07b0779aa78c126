"""Build an MNN engine: converted once by MNN's own converter, its options measured."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from edgeseg.engines.apart.process import check_installed
from edgeseg.engines.backend import written
from edgeseg.engines.candidates import measure_options, thread_counts
from edgeseg.engines.command import command_of
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob
from edgeseg.engines.mnn.facts import FACTS
from edgeseg.engines.mnn.options import BuildOptions, EngineOptions
from edgeseg.engines.tuning import Measured
from edgeseg.errors import EngineError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.view import name_of
from edgeseg.manifest import Manifest
from edgeseg.spec import OutputSpec

MODEL_FILE = EngineOptions.model_file
WHEEL = "MNN"
SAFER = ({"winograd": "small"},)
"""See `safer_options_of`."""


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the converted model and decide its options; see `FillEngine`."""
    manifest = write_files(job)
    choices = [{"threads": count} for count in thread_counts(job.request.threads)]
    measured = measure_options(job, manifest, choices)
    return dataclasses.replace(manifest, options=measured[0].options), measured


def write_files(job: BuildJob) -> Manifest:
    """Write the converted model; see `WriteFiles`."""
    check_installed(FACTS)
    winograd = job.request.options_as(BuildOptions).winograd or EngineOptions.winograd
    threads = {} if job.request.threads is None else {"threads": job.request.threads}
    options = written(
        EngineOptions, model_file=MODEL_FILE, outputs=_outputs(job.model), winograd=winograd, **threads
    )
    _convert(job.model, job.staging / MODEL_FILE)
    return Manifest(
        backend="mnn",
        backend_version=importlib.metadata.version(WHEEL),
        precision=job.request.precision,
        device=job.request.device or CPU,
        spec=job.spec,
        model_sha256=job.model_sha256,
        files={MODEL_FILE: ""},
        options=options,
    )


def _convert(model: PortableModel, target: Path) -> None:
    """Let MNN's converter write `target`, in a process of its own, since it may end that."""
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        source = Path(folder) / "model.onnx"
        source.write_bytes(model.to_bytes())
        done = subprocess.run(
            [*command_of("edgeseg.engines.mnn.converter:main"), str(source), str(target)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode != 0 or not target.exists():
        raise EngineError(f"MNN refuses {model.name}: {_problem(done.stdout)}")


def _problem(said: str) -> str:
    """Give the first line in which the converter names an error, or else its last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "not support" in line.lower()]
    return (errors or lines[-1:] or ["its converter ended without a word"])[0]


def _outputs(model: PortableModel) -> tuple[OutputSpec, ...]:
    """Say what the graph gives; a size that depends on the data is None."""
    return tuple(
        OutputSpec(name_of(value), _dtype(value), tuple(_size(side) for side in value.shape or ()))
        for value in model.model.graph.outputs
    )


def _dtype(value: Any) -> str:
    return str(value.dtype.numpy())


def _size(side: Any) -> int | None:
    return side if isinstance(side, int) else None

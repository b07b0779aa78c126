"""Turn a portable model into a toy."""

from __future__ import annotations

from edgeseg.engines.backend import written
from edgeseg.engines.job import BuildJob
from edgeseg.manifest import Manifest

from .options import BuildOptions, EngineOptions


def write_files(job: BuildJob) -> Manifest:
    """Write the model as it is; see `WriteFiles`."""
    asked = job.request.options_as(BuildOptions)
    (job.staging / EngineOptions.model_file).write_bytes(job.model.to_bytes())
    song = "" if asked.song is None else asked.song.read_text()
    return Manifest(
        backend="toy",
        backend_version="1",
        precision="fp32",
        device="cpu",
        spec=job.spec,
        model_sha256=job.model_sha256,
        files={EngineOptions.model_file: ""},
        options=written(EngineOptions, model_file=EngineOptions.model_file, volume=asked.volume, song=song),
    )

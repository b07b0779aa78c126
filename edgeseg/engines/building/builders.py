"""Find what makes a backend's engines, and what its `build` module can do besides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.engines.building.faster import with_passes
from edgeseg.engines.job import BuildJob, FillEngine, LayerPrecisions, WriteFiles
from edgeseg.engines.registry import part_of
from edgeseg.engines.tuning import Measured
from edgeseg.manifest import Manifest
from edgeseg.nodes.table import NODES_NAME


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Make an engine of the one backend that a job asks for; see `FillEngine`."""
    write = write_files_of(job.request.backend)
    job = with_passes(job, write)
    fill: FillEngine | None = getattr(part_of(job.request.backend, "build"), "fill_engine", None)
    if fill is not None:
        manifest, measured = fill(job)
    else:
        assert write is not None  # a backend's `build` has one of the two
        manifest, measured = write(job), list[Measured]()
    return dataclasses.replace(_with_nodes(job, manifest), passes=job.passes or {}), measured


def _with_nodes(job: BuildJob, manifest: Manifest) -> Manifest:
    """Write beside an engine what its graph's nodes are, by which its library's profile is read."""
    (job.staging / NODES_NAME).write_text(job.model.nodes.to_json())
    return dataclasses.replace(manifest, files={**manifest.files, NODES_NAME: ""})


def write_files_of(backend: str) -> WriteFiles | None:
    """Give what makes a backend's engines at once, options as they come; None where that takes time."""
    write: WriteFiles | None = getattr(part_of(backend, "build"), "write_files", None)
    return write


def layer_precisions_of(backend: str) -> LayerPrecisions | None:
    """Give what reads the precision of layers from a backend's engines; None where nothing can."""
    read: LayerPrecisions | None = getattr(part_of(backend, "build"), "layer_precisions", None)
    return read


def safer_options_of(backend: str) -> Sequence[Mapping[str, Any]]:
    """Give the options, of builds and of manifests alike, with which a backend rounds less and is slower.

    They are tried in turn where the proof of an engine fails, unless something else was asked of the build.
    """
    safer: Sequence[Mapping[str, Any]] = getattr(part_of(backend, "build"), "SAFER", ())
    return safer

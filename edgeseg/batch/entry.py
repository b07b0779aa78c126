"""Run a batch: find an archive, do what has no results yet, by processes of this machine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeseg.batch.crew import Crew
from edgeseg.batch.found import Archive, find
from edgeseg.batch.on_ray import OnRay
from edgeseg.batch.parts import LABELS, Parts
from edgeseg.batch.plan import Plan, plan
from edgeseg.batch.report import BatchReport
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.settings import BatchSettings
from edgeseg.cores import usable_cores
from edgeseg.extras import require
from edgeseg.files import Claim, make_folder, write_whole
from edgeseg.manifest import read_manifest
from edgeseg.runtime.sinks.images import CLASSES_NAME, legend

CLAIM = "batch"  # of a folder of results: one run writes them at a time

OnPiece = Callable[[int], None]
"""Told after each piece how many frames it was expected to have."""


def plan_batch(settings: BatchSettings, patterns: Sequence[str], output: Path) -> tuple[Plan, Parts]:
    """Find what is to be done, and change nothing.

    Raises:
        EngineError: if there is no engine.
        SourceError: if a pattern finds nothing.
        UsageError: if two files would have the same name in the results.
        MissingExtraError: if pyarrow is not installed.
    """
    require("pyarrow", EXTRA)
    parts = Parts(output, settings.digest())
    return plan(_outside(find(patterns), output), parts), parts


def run_batch(
    settings: BatchSettings,
    patterns: Sequence[str],
    output: Path,
    *,
    workers: int | None = None,
    ray: str | None = None,
    on_plan: Callable[[Plan], None] = lambda plan: None,
    on_piece: OnPiece = lambda frames: None,
) -> BatchReport:
    """Segment an archive, as far as its results are not there yet.

    Args:
        patterns: see `found.find`.
        output: a folder of results; see `parts` for what is in it.
        workers: processes; None stands for one a core.
        ray: the address of a Ray cluster whose actors do it, `local` for one of this machine.
        on_plan: told what is to be done before it is begun.

    Raises:
        SinkError: if the results cannot be written, or another run writes them.
        EdgesegError: what `plan_batch` raises, and `Segmenter.open`.
    """
    manifest = read_manifest(settings.engine, check_files=True)
    planned, parts = plan_batch(settings, patterns, output)
    make_folder(output)
    with Claim(output / CLAIM):
        parts.make_folders()
        removed = parts.remove_stale(planned.pieces)
        if settings.label_maps:
            make_folder(output / LABELS)
            write_whole(output / LABELS / CLASSES_NAME, legend(manifest.spec))
        on_plan(planned)
        began_s = time.monotonic()
        frames = errors = 0
        with _crew(settings, parts, workers, ray) as crew:
            for piece, done in crew.do(planned.missing):
                frames, errors = frames + done.frames, errors + done.errors
                on_piece(piece.frames)
    return BatchReport(
        files=len(planned.archive.files),
        pieces=len(planned.pieces),
        done_before=len(planned.pieces) - len(planned.missing),
        removed=removed,
        frames=frames,
        errors=errors,
        seconds=time.monotonic() - began_s,
        workers=min(crew.workers, max(1, len(planned.missing))),
        left_out=planned.archive.left_out,
    )


def _crew(settings: BatchSettings, parts: Parts, workers: int | None, ray: str | None) -> Crew | OnRay:
    if ray is None:
        return Crew(settings, parts, workers or usable_cores())
    absolute = dataclasses.replace(parts, folder=parts.folder.resolve())  # an actor has a folder of its own
    return OnRay(settings, absolute, workers, ray)


def _outside(archive: Archive, output: Path) -> Archive:
    """Leave out what lies in the results' own folder."""
    place = output.resolve()
    files = [file for file in archive.files if place not in file.path.resolve().parents]
    absolute = [dataclasses.replace(file, path=file.path.absolute()) for file in files]
    return Archive(absolute, archive.left_out)

"""Run a batch: find an archive, do what has no results yet, by processes of this machine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from edgeseg.batch.crew import Crew, refuse_within
from edgeseg.batch.deadly import Survivors
from edgeseg.batch.drawn import files_anew, remove_drawn
from edgeseg.batch.found import suffixes_for
from edgeseg.batch.on_ray import OnRay
from edgeseg.batch.outside import check_output, find_outside
from edgeseg.batch.parts import LABELS, OVERLAYS, Parts
from edgeseg.batch.places import Place, Stored, make, place_of, write
from edgeseg.batch.plan import Plan, plan
from edgeseg.batch.report import BatchReport, Tally
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.stale import Stale, remove_stale
from edgeseg.cores import usable_cores
from edgeseg.errors import UsageError
from edgeseg.extras import require
from edgeseg.files import Claim
from edgeseg.manifest import read_manifest
from edgeseg.runtime.sinks.images import CLASSES_NAME, legend
from edgeseg.spec import ModelSpec

HERE_ALONE = "memory"  # scheme of fsspec's store
CLAIM = "batch"  # of a folder of results: one run writes them at a time

OnPiece = Callable[[int], None]
"""Told after each piece how many frames it was expected to have."""


def plan_batch(settings: BatchSettings, patterns: Sequence[str], output: Path | str) -> tuple[Plan, Parts]:
    """Find what is to be done, and change nothing.

    Raises:
        EngineError: if there is no engine.
        SinkError: if the output is no folder that can be written.
        SourceError: if a pattern finds nothing.
        UsageError: if two files would have the same name in the results, nothing but results is found, the
            output lies within an engine, or a store cannot be opened.
        MissingExtraError: if pyarrow is not installed.
    """
    require("pyarrow", EXTRA)
    parts = Parts(place_of(output), settings.digest())
    check_output(parts.folder, settings.engine)
    suffixes = suffixes_for(read_manifest(settings.engine).spec.input)
    return plan(find_outside(patterns, parts.folder, suffixes), parts, settings.image), parts


def run_batch(
    settings: BatchSettings,
    patterns: Sequence[str],
    output: Path | str,
    *,
    workers: int | None = None,
    ray: str | None = None,
    on_plan: Callable[[Plan], None] = lambda plan: None,
    on_piece: OnPiece = lambda frames: None,
) -> BatchReport:
    """Segment an archive, as far as its results are not there yet.

    A script calls it under `if __name__ == "__main__":`, for the processes that it starts import the script.

    Args:
        patterns: see `found.find`.
        output: a folder of results, or its address in a store; see `parts` for what is in it.
        workers: processes; None stands for one a core.
        ray: the address of a Ray cluster whose actors do it, `local` for one of this machine.
        on_plan: told what is to be done before it is begun.

    Raises:
        SinkError: if the results cannot be written, or another run of this machine writes them.
        EngineError: if processes die before they are ready, or of all that they are given.
        UsageError: if a script calls it when it is imported.
        EdgesegError: what `plan_batch` raises, and `Segmenter.open`.
    """
    refuse_within()
    manifest = read_manifest(settings.engine, check_files=True)
    planned, parts = plan_batch(settings, patterns, output)
    _refuse_what_is_here_alone([parts.folder, *(file.path for file in planned.archive.files)])
    make(parts.folder)
    with _claim(parts.folder):
        stale = _make_way(settings, manifest.spec, planned, parts)
        on_plan(planned)
        began_s = time.monotonic()
        tally = Tally()
        with _crew(settings, parts, workers, ray) as crew:
            survivors = Survivors(crew, parts, proven=len(planned.missing) < len(planned.pieces))
            for piece, done in survivors.do(planned.missing):
                tally.add(done)
                on_piece(piece.frames)
        # What a killed run's process, which was at it, has written meanwhile.
        remove_stale(parts, planned.pieces, Stale(seen=stale.seen))
    return BatchReport(
        files=len(planned.archive.files),
        pieces=len(planned.pieces),
        done_before=len(planned.pieces) - len(planned.missing),
        removed=len(stale),
        frames=tally.frames,
        errors=tally.errors,
        seconds=time.monotonic() - began_s,
        workers=min(crew.workers, max(1, len(planned.missing))),
        left_out=planned.archive.left_out,
        again=tally.again,
        kept=len(stale.kept),
        undated=planned.undated,
        unlisted=planned.archive.unlisted,
        noted=tally.noted,
        notes=tally.notes,
    )


def _make_way(settings: BatchSettings, spec: ModelSpec, planned: Plan, parts: Parts) -> Stale:
    """Make the folders of results, and take out of them what does not hold any more; gives which parts."""
    parts.make_folders()
    drawn = {LABELS: settings.label_maps, OVERLAYS: settings.overlays}
    if planned.has_results:
        outdated = [kind for kind, wanted in drawn.items() if planned.stale or not wanted]
        remove_drawn(parts, files_anew(planned.pieces, planned.missing), outdated)
    stale = remove_stale(parts, planned.pieces, planned.outdated)
    for kind in (kind for kind, wanted in drawn.items() if wanted):
        make(parts.folder / kind)
        write(parts.folder / kind / CLASSES_NAME, legend(spec))
    return stale


def _crew(settings: BatchSettings, parts: Parts, workers: int | None, ray: str | None) -> Crew | OnRay:
    if ray is None:
        return Crew(settings, parts, workers or usable_cores())
    if isinstance(parts.folder, Path):
        parts = dataclasses.replace(parts, folder=parts.folder.resolve())  # an actor has a folder of its own
    return OnRay(settings, parts, workers, ray)


def _claim(folder: Place) -> AbstractContextManager[object]:
    """Keep other runs from the folder; in stores, which know no locks, two write the same bytes twice."""
    return Claim(folder / CLAIM) if isinstance(folder, Path) else nullcontext()


def _refuse_what_is_here_alone(places: Iterable[Place]) -> None:
    """Raise UsageError for stores in this process's memory, of which the processes that work know nothing."""
    for place in places:
        if isinstance(place, Stored) and place.scheme == HERE_ALONE:
            raise UsageError(f"{place} lies in the memory of one process; give a store that all see")

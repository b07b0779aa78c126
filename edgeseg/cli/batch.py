"""`edgeseg batch`: archives of pictures and videos become tables of results, by several processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseg.batch.addresses import is_address
from edgeseg.cli.batch_progress import frames_progress
from edgeseg.cli.options import COUNT, DEVICES, PATH, PROBABILITY, THREADS, NamedPath, write_json
from edgeseg.cli.outputs import check_reports
from edgeseg.cli.tile_options import tile_options

if TYPE_CHECKING:
    from edgeseg.batch import BatchReport, Plan
    from edgeseg.batch.places import Place


class PathOrAddress(NamedPath):
    """A path, or the address of a store, such as s3://bucket/results."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a path, or the address as a text."""
        if isinstance(value, str) and is_address(value):
            return value
        return super().convert(value, param, ctx)


@click.command()
@click.argument("engine", type=PATH)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    type=PathOrAddress(path_type=Path),
    required=True,
    help="A folder for the results, or its address in a store.",
)
@click.option("--workers", type=COUNT, help="Processes, each with an engine; by default one a core.")
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Use the Ray cluster at ADDRESS, whose nodes all see INPUT and OUTPUT; auto: the one here; "
    "local: one of this machine for this run.",
)
@click.option(
    "--image",
    metavar="NAME",
    help="Of shards whose samples have several pictures: the column (Parquet) or extension (tar) to take.",
)
@click.option("--label-maps", is_flag=True, help="Also write a PNG a frame: class ids, or objects by number.")
@click.option("--overlays", is_flag=True, help="Also write a JPEG a frame, with what was found drawn in.")
@click.option("--check", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--json", "json_path", type=PATH, help="Write what was, or would be, done as JSON ('-': standard output)."
)
@tile_options
@click.option("--crf", is_flag=True, help="Refine labels, or instances' masks, by a CRF, as run does.")
@click.option("--device", type=click.Choice(DEVICES), help="Where; by default as it was built.")
@click.option(
    "--threads", type=THREADS, default=1, show_default=True, help="Threads per process's inference."
)
@click.option("--score-threshold", type=PROBABILITY, help="Keep instances that score at least this.")
def command(
    *,
    engine: Path,
    inputs: tuple[str, ...],
    output: Path | str,
    workers: int | None,
    ray: str | None,
    check: bool,
    json_path: Path | None,
    tiles: str | None,
    tile_overlap: float,
    **how: Any,
) -> None:
    """Segment all pictures and videos of INPUT with ENGINE into a table of results.

    INPUT is a file, a folder with all below it, or a pattern in quotes ('videos/**'); shards of pictures
    (WebDataset's .tar, .parquet) are taken, too. INPUT and OUTPUT may lie in stores: s3://bucket/videos.
    OUTPUT/parts/*.parquet is one table: a row a frame, with its objects or classes (areas, COCO run-length
    masks), or with the error of a file that is broken. Run again, it goes on where it was ended, and does
    only what is new or has changed. Takes edgeseg[scale].
    """
    from edgeseg.batch import BatchSettings, plan_batch, run_batch
    from edgeseg.records import to_json_value
    from edgeseg.runtime.tiles.tiling import tiling_of

    reads = [Path(one) for one in inputs if not is_address(one)]
    beside = {"-o": [output]} if isinstance(output, Path) else {}
    check_reports({"--json": json_path}, engines=[engine], reads=reads, beside=beside)
    settings = BatchSettings(engine, tiles=tiling_of(tiles, tile_overlap), **how)
    if check:
        plan, parts = plan_batch(settings, inputs, output)
        if json_path is not None:
            write_json(json_path, _plan_as_json(plan))
        if str(json_path) != "-":
            print("\n".join(_plan_lines(plan, parts.folder)))
        return
    advance: list[Callable[[int], None]] = []
    with ExitStack() as shown:

        def begin(plan: Plan) -> None:
            advance.append(shown.enter_context(frames_progress(plan.frames)))

        def step(frames: int) -> None:
            advance[0](frames)

        report = run_batch(
            settings,
            inputs,
            output,
            workers=workers,
            ray=ray,
            on_plan=begin,
            on_piece=step,
        )
    if json_path is not None:
        write_json(json_path, {**to_json_value(report), "frames_per_s": round(report.frames_per_s, 3)})
    if str(json_path) != "-":
        print("\n".join(_report_lines(report, output)))


def _plan_as_json(plan: Plan) -> dict[str, Any]:
    return {
        "files": len(plan.archive.files),
        **plan.kinds,
        "pieces": len(plan.pieces),
        "done_before": len(plan.pieces) - len(plan.missing),
        "removed": plan.stale,
        "kept": plan.kept,
        "undated": plan.undated,
        "frames": plan.frames,
        "left_out": plan.archive.left_out,
        "unlisted": list(plan.archive.unlisted),
    }


def _plan_lines(plan: Plan, output: Place) -> list[str]:
    kinds = [f"{count} {name}" for name, count in plan.kinds.items() if count]
    lines = [
        f"{len(plan.archive.files)} files ({', '.join(kinds)}) in {len(plan.pieces)} pieces; "
        f"{len(plan.missing)} have no results, about {plan.frames} frames",
        f"{output}/parts holds {len(plan.pieces) - len(plan.missing)} of {len(plan.pieces)} parts",
    ]
    if plan.stale:
        lines.append(f"{plan.stale} parts hold earlier results of these files, which would be removed")
    lines += _other_lines(plan.kept, plan.undated, plan.archive.left_out)
    return [*lines, *plan.archive.unlisted]


def _report_lines(report: BatchReport, output: Path | str) -> list[str]:
    lines = [
        f"{report.frames} frames in {report.seconds:.1f} s, {report.frames_per_s:.1f} a second by "
        f"{report.workers} process{'es' * (report.workers > 1)}; {output}/parts holds "
        f"{report.pieces} parts, {report.done_before} of them from before"
    ]
    if report.errors:
        lines.append(f"{report.errors} rows have an error in place of a result")
    if report.again:
        lines.append(
            f"{report.again} parts are done again by the next run: an error blames what is not in the file"
        )
    if report.removed:
        lines.append(f"{report.removed} parts held earlier results of these files, which were removed")
    if report.noted:
        lines += [
            f"{report.noted} files or pictures were not read as they stand, such as:",
            *report.notes,
        ]
    lines += _other_lines(report.kept, report.undated, report.left_out)
    return [*lines, *report.unlisted]


def _other_lines(kept: int, undated: int, left_out: int) -> list[str]:
    lines = [f"results of {kept} other files stay"] if kept else []
    if undated:
        lines.append(
            f"the store of {undated} files tells neither times nor checksums: one that changes and keeps its "
            "size keeps its results"
        )
    if left_out:
        lines.append(f"{left_out} files are neither pictures nor videos nor shards by their names")
    return lines

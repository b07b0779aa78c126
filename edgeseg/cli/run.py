"""`edgeseg run`: frames of a camera, video, image or folder become labels, instances and pictures."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeseg.cli.options import COUNT, DEVICES, PATH, PROBABILITY, THREADS, progress
from edgeseg.cli.refine_options import check_crf, crf_options
from edgeseg.cli.rotation_options import rotation_options
from edgeseg.cli.tables import print_times
from edgeseg.cli.tile_options import tile_options
from edgeseg.errors import SourceError, UsageError
from edgeseg.interrupts import INTERRUPTED

if TYPE_CHECKING:
    from edgeseg.runtime.pipeline import RunReport
    from edgeseg.runtime.streams.inbox import Policy


@click.command()
@click.argument("engine", type=PATH)
@click.argument("source")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="PATH",
    help=".mp4 or .m3u8 (overlays), .jsonl (one object a frame), .json (COCO results), .png or .jpg (one "
    "image), a folder (label maps), mqtt[s]://... or http[s]://... (a message a result), rtsp://..., "
    "rtmp://..., srt://... or udp://... (overlays). May repeat.",
)
@rotation_options
@click.option("--show", is_flag=True, help="Show the overlay in a window; q ends.")
@click.option("--frames", type=COUNT, help="Stop after so many frames.")
@click.option(
    "--policy",
    type=click.Choice(["latest", "every"]),
    help="Which frames: every one, or the newest only. Default: latest for cameras, else every.",
)
@crf_options
@tile_options
@click.option("--device", type=click.Choice(DEVICES), help="Where; by default as it was built.")
@click.option(
    "--threads", type=THREADS, help="Threads per inference; by default what the build measured as best."
)
@click.option("--score-threshold", type=PROBABILITY, help="Show instances that score at least this.")
def command(
    *,
    engine: Path,
    source: str,
    outputs: tuple[str, ...],
    rotate: str | None,
    keep: str | None,
    show: bool,
    frames: int | None,
    policy: Policy | None,
    crf: bool,
    crf_threads: int,
    budget_ms: float | None,
    tiles: str | None,
    tile_overlap: float,
    device: str | None,
    threads: int | None,
    score_threshold: float | None,
) -> None:
    """Segment SOURCE with ENGINE.

    SOURCE is a camera index, a device path, a video or image file, a folder of images, rtsp://..., http://...,
    a GStreamer pipeline (gst:...) or synthetic: (synthetic:640x480?seed=3&frames=100).
    """
    from edgeseg.runtime import Segmenter
    from edgeseg.runtime.pipeline import RunInterrupted, run
    from edgeseg.runtime.sinks import check_outputs, open_sink
    from edgeseg.runtime.sinks.amounts import parse_amount
    from edgeseg.runtime.sources import open_source
    from edgeseg.runtime.streams.losses import bad_frames
    from edgeseg.runtime.tiles.tiling import tiling_of

    check_crf(crf, budget_ms)
    with ExitStack() as stack:
        segmenter = stack.enter_context(
            Segmenter.open(
                engine,
                device=device,
                threads=threads,
                score_threshold=score_threshold,
                crf=crf,
                crf_threads=crf_threads,
                crf_budget_ms=budget_ms,
                tiles=tiling_of(tiles, tile_overlap),
            )
        )
        if not segmenter.manifest.proven:
            click.echo(
                f"{engine} was built without its device; prove it here: edgeseg verify {engine}", err=True
            )
        opened = stack.enter_context(open_source(source))
        endless = opened.frame_count is None and not opened.files
        if not outputs and not show and frames is None and endless:
            raise UsageError(
                f"{opened.name} never ends and nothing would be kept: give -o, --show or --frames"
            )
        check_outputs(outputs, opened, engine=engine)
        parts, kept = (
            None if text is None else parse_amount(text, name)
            for text, name in ((rotate, "--rotate"), (keep, "--keep"))
        )
        sinks = [
            stack.enter_context(open_sink(path, segmenter.spec, opened, rotate=parts, keep=kept))
            for path in outputs
        ]
        if show:
            from edgeseg.runtime.sinks.window import WindowSink

            sinks.append(WindowSink())
        advance = stack.enter_context(progress("frames", frames or opened.frame_count))
        try:
            report = run(
                opened, segmenter, sinks, frames=frames, policy=policy, on_frame=lambda *_: advance()
            )
        except RunInterrupted as interruption:
            report_run(interruption.report, outputs)
            if interruption.sink_error is not None:
                click.echo(f"error: {interruption.sink_error}", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
    report_run(report, outputs)
    if report.source_ended and opened.live:
        seen = report.frames + report.drops
        lost = bad_frames(report.bad_frames)
        raise SourceError(
            f"{opened.name} stopped sending after {seen} frames{lost}; check camera and network"
        )
    if report.skipped:
        raise SourceError(f"not all of {opened.name} could be read; what could be is done")


def report_run(report: RunReport, outputs: tuple[str, ...]) -> None:
    """Print what a run did, how long each stage took, and which outputs there are."""
    from edgeseg.runtime.streams.losses import bad_frames

    click.echo(
        f"{report.frames} frames in {report.seconds:.1f} s, {report.fps:.1f} a second, {report.drops} dropped"
        f"{bad_frames(report.bad_frames)}"
    )
    for line in report.notes:
        click.echo(f"note: {line}", err=True)
    for line in report.skipped:
        click.echo(f"skipped: {line}", err=True)
    spans = {} if report.latency_ms is None else {"capture to result": report.latency_ms}
    print_times({**report.stages, **spans})
    for path in outputs:
        if report.frames and Path(path).exists():  # one that got no frame is absent, or still the old one
            click.echo(f"written: {path}")

"""`edgeseg profile`: an engine's latency, inference alone and capture to result, on this machine."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgeseg.cli.options import COUNT, DEVICES, MOST, PATH, THREADS, Number, progress, write_json
from edgeseg.cli.outputs import check_report
from edgeseg.cli.refine_options import check_crf, crf_budget_option, crf_options
from edgeseg.cli.tables import print_times
from edgeseg.cli.tile_options import tile_options

DEFAULT_FRAMES = 100
DEFAULT_WARMUP = 10


@click.command()
@click.argument("engine", type=PATH)
@click.argument("source", default="synthetic:640x480")
@click.option(
    "--json", "json_path", type=PATH, help="Write the profile as JSON ('-' for the standard output)."
)
@click.option(
    "--frames", type=COUNT, default=DEFAULT_FRAMES, show_default=True, help="Measured in each loop."
)
@click.option(
    "--warmup",
    type=click.IntRange(0, MOST),
    default=DEFAULT_WARMUP,
    show_default=True,
    help="Frames computed first and not counted.",
)
@click.option("--seconds", type=Number(min=0.1), help="End each loop after this time.")
@crf_options
@crf_budget_option
@tile_options
@click.option("--device", type=click.Choice(DEVICES), help="Where; by default as it was built.")
@click.option(
    "--threads", type=THREADS, help="Threads per inference; by default what the build measured as best."
)
def command(
    *,
    engine: Path,
    source: str,
    json_path: Path | None,
    frames: int,
    warmup: int,
    seconds: float | None,
    crf: bool,
    crf_threads: int,
    budget_ms: float | None,
    tiles: str | None,
    tile_overlap: float,
    device: str | None,
    threads: int | None,
) -> None:
    """Measure ENGINE on SOURCE (as for run; synthetic frames of 640x480 by default).

    Capture to result begins when a frame has arrived and ends when its result stands in memory in the frame's
    own pixels. Inference alone begins with the prepared input and ends with the outputs, both in host memory.
    """
    from edgeseg.runtime import Segmenter
    from edgeseg.runtime.profiling.profile import profile
    from edgeseg.runtime.sources import open_source
    from edgeseg.runtime.tiles.tiling import tiling_of

    check_crf(crf, budget_ms)
    start_s = time.perf_counter()
    with Segmenter.open(
        engine,
        device=device,
        threads=threads,
        crf=crf,
        crf_threads=crf_threads,
        crf_budget_ms=budget_ms,
        tiles=tiling_of(tiles, tile_overlap),
    ) as segmenter:
        load_ms = 1000 * (time.perf_counter() - start_s)
        total = None if seconds else 2 * (warmup + frames)
        with open_source(source, segmenter.spec.input) as opened, progress("frames", total) as advance:
            check_report(json_path, engine=engine, reads=opened.files)
            report = profile(
                segmenter,
                opened,
                warmup=warmup,
                frames=frames,
                seconds=seconds,
                load_ms=load_ms,
                on_frame=advance,
            )
    if json_path is not None:
        write_json(json_path, report.to_json_value())
    if str(json_path) == "-":
        return
    machine = report.machine
    click.echo(f"{report.backend} {report.backend_version}, {report.precision}, {report.device}")
    click.echo(
        f"{machine.cpu}, {machine.logical_cores} cores; "
        f"{report.source} at {report.frame_hw[1]}x{report.frame_hw[0]}"
    )
    print_times({**report.stages, "capture to result": report.latency_ms, "inference alone": report.infer_ms})
    click.echo(
        f"{report.throughput_fps:.1f} frames a second, loaded in {load_ms:.0f} ms, "
        f"peak memory {report.peak_rss_mb:.0f} MiB"
    )

"""`edgeseg demo`: export, build, run and measure the shipped checkpoints; one table at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from edgeseg.cli.options import COUNT, PATH, status, write_json
from edgeseg.cli.outputs import check_reports
from edgeseg.cli.tables import console, print_times

if TYPE_CHECKING:
    from edgeseg.demo.crf_picture import Refined
    from edgeseg.demo.showcase import NetworkReport

DEFAULT_FRAMES = 120
DEFAULT_FOLDER = Path("demo-output")
OVERVIEW = "overview.png"
CRF_PICTURE = "crf.png"


@click.command()
@click.option("--frames", type=COUNT, default=DEFAULT_FRAMES, show_default=True, help="Of each video.")
@click.option(
    "--json", "json_path", type=PATH, help="Write the report as JSON ('-' for the standard output)."
)
@click.option(
    "-o", "--output", type=PATH, default=DEFAULT_FOLDER, show_default=True, help="Where everything goes."
)
def command(*, frames: int, json_path: Path | None, output: Path) -> None:
    """Export, build, run and measure the three networks that come with edgeseg: U-Net, DeepLab, Mask R-CNN.

    Each goes from its checkpoint to a portable model, to an engine, and to a video of synthetic scenes whose
    ground truth is known. A picture shows what a CRF makes of DeepLab's labels.
    """
    from edgeseg.demo.crf_picture import NETWORK, show_crf
    from edgeseg.demo.showcase import NETWORKS, demonstrate, overview

    check_reports({"--json": json_path}, beside={"-o": [output]})
    output.mkdir(parents=True, exist_ok=True)
    start_s = time.monotonic()
    reports = []
    for network in NETWORKS:
        with status(f"{network}: checkpoint, portable model, engine, video") as say:
            reports.append(demonstrate(network, output, frames=frames, on_step=say))
    overview(reports, output / OVERVIEW)
    engines = {one.network: one.files["engine"] for one in reports}
    with status(f"{NETWORK}: labels without and with the CRF"):
        refined = show_crf(engines[NETWORK], output / CRF_PICTURE)
    if json_path is not None:
        write_json(json_path, [one.to_json_value() for one in reports])
    if str(json_path) == "-":
        return
    for one in reports:
        click.echo(f"\n{one.network}, {frames} frames of video")
        print_times(one.run.stages)
    _print_summary(reports)
    _print_refined(refined, output / CRF_PICTURE)
    click.echo(
        f"pictures: {output / OVERVIEW}, videos: {', '.join(str(one.files['video']) for one in reports)}"
    )
    click.echo(f"done in {time.monotonic() - start_s:.0f} s")


def _print_summary(reports: list[NetworkReport]) -> None:
    table = Table("network", "engine", "parity", "accuracy")
    for name in ("p50", "p90", "p99", "infer p50", "video FPS"):
        table.add_column(name, justify="right")
    for one in reports:
        latency = one.profile.latency_ms
        table.add_row(
            one.network,
            f"{one.manifest.backend} {one.manifest.precision}",
            "passed" if one.export_parity.passed and one.engine_parity.passed else "failed",
            ", ".join(f"{name} {value:.3f}" for name, value in one.accuracy.items()),
            *(f"{value:.1f}" for value in (latency.p50, latency.p90, latency.p99, one.profile.infer_ms.p50)),
            f"{one.run.fps:.0f}",
        )
    out = console()
    out.print()
    out.print(table)
    out.print(
        "p50, p90, p99: capture to result in ms, nothing beside it; FPS: with overlay and video encoding\n"
        "miou: mean over the classes of TP / (TP + FP + FN), pixels of all scenes; ap50: COCO's AP at IoU 0.5"
    )


def _print_refined(refined: Refined, picture: Path) -> None:
    """Say in points what the CRF brings on all test scenes, and on what the picture shows."""
    from edgeseg.demo.crf_picture import TEST_SCENES

    miou, boundary_f = (
        f"{100 * before:.1f} -> {100 * after:.1f}" for before, after in zip(*refined.overall, strict=True)
    )
    whole, part = (
        f"{100 * change.before.boundary_f:.1f} -> {100 * change.after.boundary_f:.1f}"
        for change in (refined.shown, refined.enlarged)
    )
    click.echo(
        f"DeepLab, {TEST_SCENES} scenes: mIoU {miou}, boundary F (2 px) {boundary_f} with the CRF\n"
        f"{picture}: the scene of the median gain, boundary F {whole}; in its enlarged part {part}"
    )

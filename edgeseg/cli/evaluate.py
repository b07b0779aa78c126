"""`edgeseg evaluate`: labelled images say how good an engine is, and what it lost beside another."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from edgeseg.cli.evaluation_table import print_evaluation
from edgeseg.cli.label_options import LABELS_HELP, label_options, labelled_arguments
from edgeseg.cli.options import DEVICES, PATH, THREADS, Number, progress, write_json
from edgeseg.cli.outputs import check_reports
from edgeseg.cli.tile_options import tile_options
from edgeseg.errors import UsageError

DEFAULT_WORST = 5
MOST_WORST = 100
BOUNDARY_PX = 2.0  # as in `edgeseg.metrics.boundary`


@click.command()
@click.argument("engine", type=PATH)
@click.option("--images", type=PATH, required=True, help="A folder of images.")
@click.option(
    "--labels",
    type=PATH,
    required=True,
    help=LABELS_HELP,
)
@click.option(
    "--against", type=PATH, help="Another engine, or the portable model (.onnx): measured on the same images."
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="A folder for report.json, confusion.png and the worst images.",
)
@click.option("--json", "json_path", type=PATH, help="Write the report as JSON ('-': standard output).")
@click.option(
    "--worst",
    type=click.IntRange(0, MOST_WORST),
    default=DEFAULT_WORST,
    show_default=True,
    help="How many images to draw with -o: those of the least score, or with --against those that lost most.",
)
@label_options
@click.option(
    "--boundary-px",
    type=Number(min=0.5),
    default=BOUNDARY_PX,
    show_default=True,
    help="Within which boundaries agree, in pixels of the images.",
)
@click.option("--crf", is_flag=True, help="Refine labels, or instances' masks, by a CRF, as run does.")
@tile_options
@click.option("--device", type=click.Choice(DEVICES), help="Where ENGINE runs; by default as it was built.")
@click.option("--threads", type=THREADS, help="Threads per inference of ENGINE; by default as measured.")
def command(
    *,
    engine: Path,
    images: Path,
    labels: Path,
    against: Path | None,
    output: Path | None,
    json_path: Path | None,
    worst: int,
    boundary_px: float,
    crf: bool,
    tiles: str | None,
    tile_overlap: float,
    device: str | None,
    threads: int | None,
    **of_labels: Any,
) -> None:
    """Measure ENGINE, or a portable model, on labelled images; frames go the way that run takes.

    mIoU and boundary F of labels, AP of boxes and masks of instances (COCO's own), the confusion matrix, and
    the images that came out worst. With --against another engine or the portable model sees the same images:
    each figure's difference with its 95 percent interval (bootstrap over images), and how many pixels or
    objects differ.
    """
    from edgeseg.evaluation import LabelledImages, evaluate, open_segmenter
    from edgeseg.evaluation.evaluation import refuse_other_content
    from edgeseg.runtime.tiles.tiling import tiling_of

    check_reports(
        {"--json": json_path},
        engines=[one for one in (engine, against) if one is not None and one.is_dir()],
        reads=(engine, images, labels, against),
        beside={} if output is None else {"-o": [output]},
    )
    if output is not None:
        refuse_other_content(output)
        _refuse_within(output, (engine, images, labels, against))
    how: dict[str, Any] = {"crf": crf, "tiles": tiling_of(tiles, tile_overlap)}
    with ExitStack() as opened:
        segmenter = opened.enter_context(open_segmenter(engine, device=device, threads=threads, **how))
        other = None if against is None else opened.enter_context(open_segmenter(against, **how))
        data = LabelledImages(segmenter.spec, images, labels, **labelled_arguments(of_labels))
        with progress("images", len(data)) as advance:
            found = evaluate(
                segmenter,
                data,
                against=other,
                boundary_px=boundary_px,
                worst=worst if output is not None else 0,
                on_image=advance,
            )
    if output is not None:
        found.write(output)
    if json_path is not None:
        write_json(json_path, found.to_json_value())
    if str(json_path) != "-":
        print_evaluation(found, output)


def _refuse_within(output: Path, read: tuple[Path | None, ...]) -> None:
    """Raise UsageError if the folder to write lies within what is read, or holds it."""
    for path in read:
        if path is None:
            continue
        place, other = output.resolve(), path.resolve()
        if place == other or other in place.parents or place in other.parents:
            raise UsageError(f"-o {output} and {path}, which is read, lie within each other; write elsewhere")

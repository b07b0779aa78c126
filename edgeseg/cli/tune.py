"""`edgeseg tune`: of all engines that this machine can run, the fastest that is accurate enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from edgeseg.cli.label_options import LABELS_HELP, label_options, labelled_arguments
from edgeseg.cli.options import (
    COUNT,
    DEVICES,
    PATH,
    THREADS,
    Duration,
    Memory,
    Number,
    Size,
    status,
    write_json,
)
from edgeseg.cli.outputs import check_reports
from edgeseg.cli.tuning_table import print_tuning
from edgeseg.engines.registry import backends
from edgeseg.errors import UsageError
from edgeseg.records import to_json_value
from edgeseg.spec import Precision

WORK_SUFFIX = ".tuning"


@click.command()
@click.argument("models", nargs=-1, required=True, type=PATH, metavar="MODEL...")
@click.option("--images", type=PATH, required=True, help="A folder of typical images.")
@click.option("--labels", type=PATH, help=f"{LABELS_HELP} Without them the fp32 model is the truth.")
@click.option(
    "--max-drop",
    type=Number(0.0, 100.0),
    default=0.5,
    show_default=True,
    help="Points of mIoU, or of AP of masks, that the engine may lose against the fp32 model.",
)
@click.option(
    "--max-memory",
    type=Memory(),
    help="Leave out engines of which a process takes more, Python and libraries included.",
)
@click.option(
    "--sizes",
    type=Size(),
    multiple=True,
    help="Take the models of this input size; may repeat. A model has the one size of its export.",
)
@click.option(
    "--backend",
    "chosen_backends",
    type=click.Choice(backends()),
    multiple=True,
    help="May repeat; all that are installed by default.",
)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(get_args(Precision)),
    multiple=True,
    help="May repeat; all by default.",
)
@click.option(
    "--device",
    "devices",
    type=click.Choice(DEVICES),
    multiple=True,
    help="May repeat; by default this processor, and an NVIDIA GPU where there is one.",
)
@click.option("--threads", type=THREADS, help="Threads per inference; several numbers are tried by default.")
@click.option(
    "--passes/--no-passes",
    default=True,
    help="Try fp32 graphs as exported, and changed where that measures faster (the default), or not.",
)
@click.option(
    "--budget",
    "budget_s",
    type=Duration(),
    default="20m",
    show_default=True,
    help="Time for all; what was not tried is said, and the next run goes on from there.",
)
@click.option(
    "--most-images",
    type=COUNT,
    default=64,
    show_default=True,
    help="Images that accuracy and int8 ranges are measured on, spread evenly over the folder.",
)
@click.option(
    "--work",
    type=PATH,
    help=f"A folder that keeps engines and measurements for the next run; ENGINE{WORK_SUFFIX} by default.",
)
@click.option("--measure-again", is_flag=True, help="Time frames anew, whatever earlier runs measured.")
@click.option("--json", "json_path", type=PATH, help="Write the report as JSON ('-': standard output).")
@click.option("--plot", type=PATH, help="Draw engines by time and loss: a file that ends in .svg or .png.")
@label_options
@click.option("-o", "--output", type=PATH, required=True, metavar="ENGINE", help="The folder to write.")
def command(
    *,
    models: tuple[Path, ...],
    images: Path,
    labels: Path | None,
    max_drop: float,
    max_memory: int | None,
    sizes: tuple[tuple[int, int], ...],
    chosen_backends: tuple[str, ...],
    precisions: tuple[Precision, ...],
    devices: tuple[str, ...],
    threads: int | None,
    passes: bool,
    budget_s: float,
    most_images: int,
    work: Path | None,
    measure_again: bool,
    json_path: Path | None,
    plot: Path | None,
    output: Path,
    **of_labels: Any,
) -> None:
    """Make the engines that this machine can run of MODEL, and keep the fastest that is accurate enough.

    Backends, precisions, numbers of threads, changed graphs and, with several models, input sizes are tried.
    Each engine is proven as by build. Frames are timed from frame to result, all engines in turn; those that
    are slower for sure are dropped. Accuracy is mIoU or AP of masks against --labels, else against what the
    (first) fp32 model finds.
    """
    from edgeseg.tune.accuracy import Labels
    from edgeseg.tune.drawing import check_picture, write_picture
    from edgeseg.tune.entry import tune
    from edgeseg.tune.picture import SIZE_WH, picture_of
    from edgeseg.tune.space import Space

    check_reports(
        {"--json": json_path, "--plot": plot},
        engines=[output],
        reads=(*models, images, labels),
        beside={"-o": [output]},
    )
    if plot is not None:
        check_picture(plot)
    further = labelled_arguments(of_labels)
    if labels is None and any(further.values()):
        raise UsageError(
            "palettes, values and names of label maps are for --labels; give it, or leave these out"
        )
    with status(f"tuning {output}") as say:
        report = tune(
            models,
            output,
            images=images,
            work=work or output.with_name(f"{output.name}{WORK_SUFFIX}"),
            labels=None if labels is None else Labels(labels, further),
            max_drop=max_drop,
            max_memory=max_memory,
            sizes=sizes,
            space=Space(chosen_backends, precisions, devices, threads, passes),
            budget_s=budget_s,
            most_images=most_images,
            measure_again=measure_again,
            on_step=say,
        )
    if plot is not None:
        shapes, told = picture_of(report)
        write_picture(plot, shapes, SIZE_WH, told)
    if json_path is not None:
        write_json(json_path, to_json_value(report))
    if str(json_path) != "-":
        print_tuning(report, output)

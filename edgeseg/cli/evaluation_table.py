"""Print what was measured of an engine on labelled images: a line a figure, and a table of classes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from edgeseg.cli.tables import console

if TYPE_CHECKING:
    from edgeseg.evaluation import Evaluation, Figure
    from edgeseg.manifest import Manifest

MOST_CLASSES = 20  # rows of the table; of more classes those that came out worst
WORST_SHOWN = 5  # names
TITLES = {
    "miou": "mIoU",
    "mean_boundary_f": "boundary F",
    "pixel_accuracy": "right pixels",
    "box_ap": "box AP",
    "box_ap50": "box AP50",
    "box_ap75": "box AP75",
    "mask_ap": "mask AP",
    "mask_ap50": "mask AP50",
    "mask_ap75": "mask AP75",
    "f1": "F1",
    "iou": "IoU",
    "boundary_f": "boundary F",
}


def print_evaluation(found: Evaluation, folder: Path | None) -> None:
    """Print figures in percent, what the difference cost, the classes, the worst images and the notes."""
    out = console()
    out.print(f"{len(found.images)} images, {_named(found.engine)}", highlight=False)
    if found.against is not None:
        out.print(f"against {_named(found.against)}", highlight=False)
    out.print(_figures_table(found))
    out.print(_classes_table(found))
    if found.disagreement is not None:
        out.print(str(found.disagreement), highlight=False)
    ranked = sorted((one for one in found.images if not math.isnan(one.worth)), key=lambda one: one.worth)
    by = "score" if found.against is None else "loss against the other"
    names = ", ".join(f"{one.name} ({100 * one.worth:.2f})" for one in ranked[:WORST_SHOWN])
    out.print(f"worst by {by}: {names}", highlight=False, markup=False, soft_wrap=True)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    if folder is not None:
        out.print(f"written to {folder}", highlight=False, markup=False, soft_wrap=True)


def _named(engine: Manifest) -> str:
    return escape(f"{engine.spec.source.network}: {engine.backend}, {engine.precision}, {engine.device}")


def _figures_table(found: Evaluation) -> Table:
    table = Table("percent", box=None)
    compares = found.against is not None
    for title in ("value", "95% interval", *(("against", "difference", "95% interval") if compares else ())):
        table.add_column(title, justify="right")
    for name, figure in found.figures.items():
        if name in TITLES and not math.isnan(figure.value):
            row = [_percent(figure.value), _ends(figure.interval)]
            if figure.difference is not None:
                row += [
                    _percent(figure.difference.other),
                    _percent(figure.difference.value, sign=True),
                    _ends(figure.difference.interval, sign=True),
                ]
            table.add_row(TITLES[name], *row)
    return table


def _classes_table(found: Evaluation) -> Table:
    """Show the classes that the truth shows; of many those that came out worst, or lost most."""
    table = Table("class", box=None)
    table.add_column("pixels" if found.task == "semantic" else "objects", justify="right")
    for name in found.class_figures:
        table.add_column(TITLES[name], justify="right")
        if found.against is not None:
            table.add_column("difference", justify="right")
    first = next(iter(found.class_figures.values()))
    shown = [i for i, figure in enumerate(first) if not math.isnan(figure.value)]
    left_out = len(shown) - MOST_CLASSES
    if left_out > 0:
        shown = sorted(sorted(shown, key=lambda i: _worth(first[i]))[:MOST_CLASSES])
        table.caption = f"{left_out} classes that came out better are in the report"
    for i in shown:
        row = [escape(found.class_names[i]), str(int(found.true_counts[i]))]
        for figures in found.class_figures.values():
            row.append(_percent(figures[i].value))
            difference = figures[i].difference
            if difference is not None:
                row.append(_percent(difference.value, sign=True))
        table.add_row(*row)
    return table


def _worth(figure: Figure) -> float:
    return figure.value if figure.difference is None else figure.difference.value


def _percent(value: float, *, sign: bool = False) -> str:
    if math.isnan(value):
        return "-"
    text = f"{100 * value:+.2f}" if sign else f"{100 * value:.2f}"
    return text if float(text) else "0.00"


def _ends(interval: tuple[float, float], *, sign: bool = False) -> str:
    low, high = (_percent(end, sign=sign) for end in interval)
    return "-" if low == high == "-" else f"{low} to {high}"

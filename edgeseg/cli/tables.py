"""Print reports as tables."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from edgeseg.engines.race import Contender
    from edgeseg.engines.tuning import Measured
    from edgeseg.graph.precision.report import PrecisionReport
    from edgeseg.manifest import AppliedPass
    from edgeseg.proof.report import ParityReport
    from edgeseg.runtime.profiling.timing import Summary

PLAIN_WIDTH = 120  # characters, where no terminal says otherwise


def console() -> Console:
    """Make what prints tables: as wide as the terminal, and wide enough in a file or a log."""
    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)


def print_times(rows: Mapping[str, Summary]) -> None:
    """Print percentiles, one row a stage or span."""
    table = Table("milliseconds", box=None)
    for name in ("p50", "p90", "p99", "samples"):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        table.add_row(name, f"{row.p50:.2f}", f"{row.p90:.2f}", f"{row.p99:.2f}", str(row.samples))
    console().print(table)


def print_parity(report: ParityReport) -> None:
    """Print what a comparison found, and what a reader must know to understand it."""
    out = console()
    figures = ", ".join(
        f"{name.replace('_', ' ')} {_figure(value)}" for name, value in report.figures.items()
    )
    verdict = "[green]passed[/green]" if report.passed else "[red]failed[/red]"
    out.print(f"parity {verdict} on {report.images} images: {figures}", highlight=False)
    for note in (*report.failures, *report.notes):
        out.print(f"  {note}", highlight=False, markup=False)


def measured_lines(measured: Sequence[Measured]) -> list[str]:
    """Say what each candidate of a build took, by the options in which they differ."""
    options = [entry.options for entry in measured]
    names = dict.fromkeys(name for one in options for name in one)
    varied = [name for name in names if len({str(one.get(name)) for one in options}) > 1]
    lines = []
    for entry in measured:
        named = ", ".join(f"{name.replace('_', ' ')} {entry.options.get(name)}" for name in varied)
        when = ", measured before" if entry.recalled else ""
        lines.append(f"{named or 'as asked'}: {entry.median_ms:.1f} ms (median of {entry.samples}{when})")
    return lines


def passes_lines(passes: Mapping[str, AppliedPass]) -> list[str]:
    """Say which passes made a graph faster, in how many places and by how much."""
    return [
        f"{title}: {len(one.places)} places changed, {one.times_faster:.2f} times as fast"
        for title, one in passes.items()
    ]


def race_lines(contenders: Sequence[Contender]) -> list[str]:
    """Say which backends `auto` turned down, and why."""
    return [f"{one.backend} was turned down: {one.turned_down}" for one in contenders if one.turned_down]


def beside_float_lines(measured: Sequence[Measured]) -> list[str]:
    """Say how fast an int8 engine is beside fp32, and whether it is worth having for that."""
    if not measured:
        return []
    times = {str(entry.options["precision"]): entry.median_ms for entry in measured}
    line = ", ".join(f"{name} takes {time:.1f} ms" for name, time in sorted(times.items(), reverse=True))
    if times["int8"] < times["fp32"]:
        return [line]
    return [f"{line}: int8 is slower than fp32 on this processor; for speed, build with --precision fp32"]


def print_precision(report: PrecisionReport) -> None:
    """Print what computes in which precision, and what that costs."""
    out = console()
    for line in precision_lines(report):
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def precision_lines(report: PrecisionReport) -> list[str]:
    """Say in a few lines what computes in which precision, and what that costs."""
    asked = Counter(report.layers.values())
    lines = [
        f"{report.precision}: {asked[report.precision]} of {len(report.layers)} layers, "
        f"{report.drop_points:.2f} points {_truth(report)} on {report.images} images"
    ]
    if report.engine_drop_points is not None:
        lines.append(f"  the finished engine: {report.engine_drop_points:.2f} points {_truth(report)}")
    if report.narrow is not None:
        lines.append(f"  {report.narrow}")
    if report.built is not None:
        built = ", ".join(f"{count} {name}" for name, count in sorted(Counter(report.built.values()).items()))
        lines.append(f"  built as: {built}")
    if report.curve[1:]:
        curve = ", ".join(f"{point.float_layers}: {point.drop_points:.2f}" for point in report.curve)
        lines.append(f"  layers in float: points lost: {curve}")
    lines += [f"  float: {kept.name}: {kept.reason}" for kept in (*report.float_layers, *report.kept)]
    return lines + [f"  {note}" for note in report.notes]


def _truth(report: PrecisionReport) -> str:
    """Say what a drop is measured against."""
    if report.float_miou is None:
        return f"of {report.metric} with fp32 lost (no labels)"
    return f"of mIoU against labels lost, fp32 has {report.float_miou:.2f},"


def _figure(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.5g}"

"""Print what a tuning found: a row an engine, what was left out and why, and which one was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from edgeseg.cli.tables import console

if TYPE_CHECKING:
    from edgeseg.tune.report import Candidate, LeftOut, Tuning


def print_tuning(found: Tuning, output: Path) -> None:
    """Print the engines, fastest first; a star marks those that no other is better than in all figures."""
    out = console()
    machine = found.machine
    height, width = found.frame_hw
    out.print(
        f"{machine.cpu}, {machine.logical_cores} cores; frames of {width}x{height}",
        highlight=False,
        markup=False,
    )
    out.print(
        f"{found.accuracy_of} on {found.images} images; the fp32 model has {found.fp32_accuracy:.2f}, "
        f"{found.max_drop:g} points may be lost",
        highlight=False,
        markup=False,
    )
    out.print(_table(found.candidates))
    for kind, left in (("left out", found.refused), ("not tried", found.not_tried)):
        for one in left:
            out.print(f"{kind}: {named(one)}: {one.reason}", highlight=False, markup=False, soft_wrap=True)
    if not found.complete:
        out.print("time was up before all was measured; the same command goes on from there", highlight=False)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    out.print(f"{output}: next: edgeseg run {output} SOURCE -o result.mp4", highlight=False, markup=False)


def _table(candidates: Sequence[Candidate]) -> Table:
    table = Table("", "engine", box=None)
    several = len({one.model for one in candidates}) > 1
    if several:
        table.add_column("model")
    table.add_column("opened with")
    for title in ("ms", "95%", "points", "lost", "MiB", "memory MiB"):
        table.add_column(title, justify="right")
    table.add_column("")
    for one in candidates:
        interval = "" if one.interval_ms is None else "{:.1f} to {:.1f}".format(*one.interval_ms)
        table.add_row(
            "*" if one.on_front else "",
            escape(one.name),
            *([escape(one.model)] if several else []),
            escape(_opened_with(one.tried)),
            f"{one.latency_ms:.1f}",
            interval,
            f"{one.accuracy:.2f}",
            f"{one.drop_points:.2f}",
            f"{one.size_mb:.1f}",
            "" if one.memory_mb is None else f"{one.memory_mb:.0f}",
            one.verdict,
        )
    return table


def _opened_with(tried: Mapping[str, Any]) -> str:
    """Say which of several values options have."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in tried.items())


def named(one: LeftOut) -> str:
    """Name an engine that was left out."""
    device = "" if one.device == "cpu" else f" {one.device}"
    return f"{one.model} {one.backend} {one.precision}{device}{' with passes' if one.passes else ''}"

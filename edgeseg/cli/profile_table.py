"""Print profiles of engines, and comparisons of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click
from rich.table import Table

from edgeseg.cli.tables import console

if TYPE_CHECKING:
    from edgeseg.runtime.profiling.comparison import Comparison
    from edgeseg.runtime.profiling.ratios import Ratio
    from edgeseg.runtime.profiling.report import Profile
    from edgeseg.runtime.profiling.statistics import Distribution

FEW = "?"  # behind a percentile that has too few samples
MOST_LAYERS = 10  # that are printed
SPANS = {"latency_ms": "capture to result", "sink_ms": "capture to sink", "infer_ms": "inference alone"}


def print_profile(report: Profile) -> None:
    """Print one profile."""
    machine = report.machine
    where = "" if report.on is None else f"{report.on}: "
    click.echo(f"{report.backend} {report.backend_version}, {report.precision}, {report.device}")
    click.echo(
        f"{where}{machine.cpu}, {machine.logical_cores} cores; "
        f"{report.source} at {report.size}{_scenario(report)}"
    )
    rows = dict(report.stages)
    for name, title in SPANS.items():
        span: Distribution | None = getattr(report, name)
        if span is not None:
            rows[title] = span
    _print_rows(rows)
    for name, text in report.meaning.items():
        click.echo(f"{SPANS[name]}: {text}")
    for line in _figures(report):
        click.echo(line)
    _print_layers(report)
    _print_doubts([report])


def print_comparison(comparison: Comparison) -> None:
    """Print each engine's latency, and how every two of them differ."""
    names = names_of(comparison.profiles)
    table = Table(f"milliseconds, {comparison.rounds} rounds", box=None)
    for column in ("inference p50", "capture to result p50", "(95 %)", "p90", "p99", "loaded in"):
        table.add_column(column, justify="right")
    for name, report in zip(names, comparison.profiles, strict=True):
        latency, infer = report.latency_ms, report.infer_ms
        load = "" if report.load_ms is None else f"{report.load_ms:.0f}"
        percentiles = (_cell(latency, each) for each in ("p90", "p99"))
        table.add_row(name, f"{infer.p50:.2f}", f"{latency.p50:.2f}", _interval(latency), *percentiles, load)
    console().print(table)
    for pair in comparison.pairs:
        first, second = names[pair.first], names[pair.second]
        click.echo(
            f"{first} and {second}: capture to result {_verdict(first, second, pair.latency)}; "
            f"inference {_verdict(first, second, pair.inference)}"
        )
    _print_doubts(comparison.profiles)


def _print_doubts(profiles: Sequence[Profile]) -> None:
    """Say what could not be read, and why figures are to be trusted less, each once."""
    for line in dict.fromkeys(line for report in profiles for line in report.skipped):
        click.echo(f"skipped: {line}", err=True)
    for line in dict.fromkeys(line for report in profiles for line in report.warnings):
        click.echo(f"warning: {line}", err=True)


def names_of(profiles: Sequence[Profile]) -> list[str]:
    """Name compared engines by their folders, numbered where two have one name."""
    names = [report.engine for report in profiles]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: number + 1].count(name)})"
        for number, name in enumerate(names)
    ]


def _scenario(report: Profile) -> str:
    if report.scenario == "multi-stream":
        return f"; multi-stream, {report.streams} cameras"
    return "" if report.scenario == "single-stream" else "; offline"


def _print_rows(rows: Mapping[str, Distribution]) -> None:
    table = Table("milliseconds", box=None)
    for name in ("p50", "(95 %)", "p90", "p99", "max", "samples"):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        cells = (_cell(row, "p50"), _interval(row), _cell(row, "p90"), _cell(row, "p99"))
        table.add_row(name, *cells, f"{row.max:.2f}", str(row.samples))
    console().print(table)


def _cell(row: Distribution, name: str) -> str:
    value: float = getattr(row, name)
    return f"{value:.2f}" if row.enough[name] else f"{value:.2f}{FEW}"


def _interval(row: Distribution) -> str:
    if "p50" not in row.intervals:
        return ""
    low, high = row.intervals["p50"]
    return f"{low:.2f} to {high:.2f}"


def _figures(report: Profile) -> Iterator[str]:
    loaded = "" if report.load_ms is None else f", loaded in {report.load_ms:.0f} ms"
    first = "" if report.first_result_ms is None else f", first result after {report.first_result_ms:.0f} ms"
    held = "" if report.gpu_memory_mb is None else f", {report.gpu_memory_mb:.0f} MiB on the GPU"
    yield (
        f"{report.throughput_fps:.1f} frames a second{loaded}{first}, "
        f"peak memory {report.peak_rss_mb:.0f} MiB{held}"
    )
    warmup = report.warmup
    steady = "" if warmup.steady is None else ", then steady" if warmup.steady else ", not steady by then"
    yield f"warm-up {warmup.frames} frames in {warmup.seconds:.1f} s{steady}"
    if report.live:
        yield f"{report.drops} frames came while others were in work"
    if report.energy is not None:
        each_j = report.energy.joules / report.latency_ms.samples
        yield f"the machine took {report.energy.mean_w:.1f} W, {each_j:.3f} J a frame, its rest included"


def _print_layers(report: Profile) -> None:
    if report.layers is None:
        return
    layers = report.layers
    table = Table("layer", "operator", "module", "precision", box=None)
    for name in ("ms", "share", "GFLOP/s", "GB/s", "of roofline"):
        table.add_column(name, justify="right")
    slowest = sorted(layers.layers, key=lambda layer: layer.time_ms, reverse=True)
    for layer in slowest[:MOST_LAYERS]:
        table.add_row(
            layer.name,
            layer.operator,
            layer.module or "",
            layer.precision,
            f"{layer.time_ms:.3f}",
            f"{100 * layer.share:.0f} %",
            *("" if rate is None else f"{rate:.1f}" for rate in (layer.gflops, layer.gbs)),
            "" if layer.efficiency is None else f"{100 * layer.efficiency:.0f} %",
        )
    console().print(table)
    if len(slowest) > MOST_LAYERS:
        click.echo(f"and {len(slowest) - MOST_LAYERS} more layers, see --json")
    if layers.efficiency is not None:
        click.echo(f"{layers.roofline_is_of}: {100 * layers.efficiency:.0f} % of the roofline")
    for note in layers.notes:
        click.echo(note)


def _verdict(first: str, second: str, ratio: Ratio) -> str:
    """Say which is faster, and by how much."""
    if not ratio.is_different:
        return f"no difference ({ratio.value:.3f}, {ratio.low:.3f} to {ratio.high:.3f})"
    value, low, high = ratio.value, ratio.low, ratio.high
    faster = first
    if value < 1:
        value, low, high, faster = 1 / value, 1 / high, 1 / low, second
    return f"{faster} is {value:.2f} times as fast ({low:.2f} to {high:.2f})"

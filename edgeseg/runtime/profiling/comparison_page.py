"""Turn a comparison of engines into one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from edgeseg.charts.axis import Axis, Tick, axis_of
from edgeseg.charts.chart import Line, Mark, Point, Points, Rule, chart, legend
from edgeseg.charts.elements import element
from edgeseg.charts.numbers import significant
from edgeseg.charts.page import page, section
from edgeseg.charts.table import Cell, Content, table
from edgeseg.runtime.profiling.comparison import Comparison, Pair
from edgeseg.runtime.profiling.latency_charts import Samples, percentile_plot, percentiles, run_plot
from edgeseg.runtime.profiling.ratios import Ratio
from edgeseg.runtime.profiling.surroundings_text import disturbances
from edgeseg.runtime.profiling.trust import doubts

LATENCY, INFERENCE = 0, 1  # tones
BESIDE = 0.15  # of a row: inference stands as far below latency
WHAT_A_RATIO_IS = (
    "The time of the second by that of the first, with its interval: above 1 the first is faster. Where an "
    "interval reaches 1, the run shows no difference."
)


def comparison_page(comparison: Comparison, names: Sequence[str]) -> str:
    """Give the page's text.

    Args:
        names: of the engines, in the order of the profiles.
    """
    first = comparison.profiles[0]
    warnings = dict.fromkeys(line for profile in comparison.profiles for line in doubts(profile))
    machine = first.machine
    what = f"{comparison.rounds} rounds, each engine once in each, on {first.source} at {first.size}."
    where = f"{machine.cpu}, {machine.logical_cores} cores"
    return page(
        " · ".join(names),
        element("p", what),
        element("p", where, class_="quiet"),
        *disturbances(first.surroundings, tuple(warnings)),
        _pairs(comparison, names),
        _engines(comparison, names),
    )


def _pairs(comparison: Comparison, names: Sequence[str]) -> Element:
    rows: list[list[Content]] = [
        [
            f"{number}  {names[pair.first]} and {names[pair.second]}",
            *(_ratio_cell(ratio, names[pair.first], names[pair.second]) for ratio in _ratios(pair)),
        ]
        for number, pair in enumerate(comparison.pairs, 1)
    ]
    return section(
        "Which is faster",
        element("p", WHAT_A_RATIO_IS),
        table(["engines", "capture to result", "inference alone"], rows, texts=3),
        legend([("capture to result", LATENCY), ("inference alone", INFERENCE)]),
        _forest(comparison.pairs),
    )


def _forest(pairs: Sequence[Pair]) -> Element:
    """Draw each pair's ratios with their intervals, beside the line at which there is no difference."""
    marks: list[Mark] = [Rule(1.0)]
    for row, pair in enumerate(pairs):
        for tone, ratio in enumerate(_ratios(pair)):
            at = -row + (BESIDE if tone == LATENCY else -BESIDE)
            marks.append(Line([(ratio.low, at), (ratio.high, at)], tone))
            marks.append(Points([Point(ratio.value, at, f"{row + 1}: {_written(ratio)}")], tone))
    ends = [end for pair in pairs for ratio in _ratios(pair) for end in (ratio.low, ratio.high)]
    across = axis_of("time of the second by that of the first", [1.0, *ends])
    ticks = tuple(Tick(-row, str(row + 1)) for row in range(len(pairs)))
    down = Axis("Pair", -len(pairs) + 0.5, 0.5, own_ticks=ticks)
    return chart(across, down, marks, label=f"Ratios of {len(pairs)} pairs of engines with their intervals")


def _engines(comparison: Comparison, names: Sequence[str]) -> Element:
    latency: Samples = {
        name: np.asarray(profile.samples_ms["latency_ms"], np.float64)
        for name, profile in zip(names, comparison.profiles, strict=True)
    }
    rows: list[list[Content]] = []
    for name, profile in zip(names, comparison.profiles, strict=True):
        of = profile.latency_ms
        about = f"{profile.backend} {profile.backend_version}, {profile.precision}, {profile.device}"
        loaded = "–" if profile.load_ms is None else significant(profile.load_ms)
        infer = significant(profile.infer_ms.p50)
        cells: list[Content] = [*percentiles(of, profile.samples_needed), infer, loaded]
        rows.append([Cell(name, about), *cells])
    return section(
        "Capture to result",
        table(["ms", "p50", "p90", "p99", "inference p50", "to load"], rows),
        element(
            "div",
            element("div", element("h3", "By percentile"), percentile_plot(latency)),
            element("div", element("h3", "In the order measured"), run_plot(latency)),
            class_="columns",
        ),
    )


def _ratios(pair: Pair) -> tuple[Ratio, Ratio]:
    return pair.latency, pair.inference


def _ratio_cell(ratio: Ratio, first: str, second: str) -> Cell:
    if not ratio.is_different:
        return Cell("no difference", _written(ratio))
    faster, times = (first, ratio.value) if ratio.value > 1 else (second, 1 / ratio.value)
    return Cell(f"{faster} {times:.2f} times as fast", _written(ratio))


def _written(ratio: Ratio) -> str:
    return f"{ratio.value:.3f}, {ratio.low:.3f}–{ratio.high:.3f}"

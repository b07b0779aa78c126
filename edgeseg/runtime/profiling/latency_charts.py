"""Draw what a profile says of time: percentiles, how durations scatter, and the stages of single frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from edgeseg.charts.axis import Axis, Tick, axis_of
from edgeseg.charts.chart import Box, Boxes, Line, Rule, chart, legend
from edgeseg.charts.elements import element
from edgeseg.charts.numbers import significant
from edgeseg.charts.table import Cell, Content, table
from edgeseg.runtime.profiling.report import FrameTimeline, Profile
from edgeseg.runtime.profiling.statistics import PERCENTILES, Distribution
from edgeseg.runtime.profiling.timing import STAGES

NAMES = {
    "latency_ms": "capture to result",
    "infer_ms": "inference alone",
    "sink_ms": "capture to sink",
}
MOST_FRAMES = 12  # of a timeline
MOST_BINS = 40
MOST_POINTS = 400  # of a line: more are not seen
FAR_OUT = 1.5  # times p99: durations beyond are told in words, so that the others are seen
PERCENTILE_TICKS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
ROW_FILLED = 0.38  # of a row of the timeline, on either side of its middle

Samples = Mapping[str, NDArray[np.float64]]


def percentile_table(profile: Profile) -> Element:
    """Tabulate the percentiles of each stage and of the whole, with their intervals."""
    rows = {**profile.stages, **_wholes(profile)}
    cells: list[list[Content]] = [
        [
            name,
            *percentiles(each, profile.samples_needed),
            significant(each.max),
            str(each.samples),
        ]
        for name, each in rows.items()
    ]
    return table(["ms", "p50", "p90", "p99", "max", "samples"], cells)


def percentiles(of: Distribution, needed: Mapping[str, int]) -> list[Cell]:
    """Give a cell for each percentile: below it its interval, or how many samples it wants."""
    return [_percentile(of, name, needed) for name in PERCENTILES]


def timeline(profile: Profile) -> Element | None:
    """Draw the stages of single frames: a row a frame, or of several cameras a row a camera."""
    frames = profile.timeline[: MOST_FRAMES * profile.streams]
    if not any(frame.spans for frame in frames):
        return None
    several = profile.streams > 1
    places = [(frame.stream, 0.0) if several else (row, _start(frame)) for row, frame in enumerate(frames)]
    rows = {
        row: f"{frame.stream if several else frame.frame}"
        for (row, _), frame in zip(places, frames, strict=True)
    }
    boxes: dict[str, list[Box]] = {}
    for (row, since), frame in zip(places, frames, strict=True):
        for span in frame.spans:
            start = span.start_ms - since
            about = f"frame {frame.frame}: {span.stage}, {significant(span.duration_ms)} ms"
            box = Box(start, start + span.duration_ms, -row - ROW_FILLED, -row + ROW_FILLED, about)
            boxes.setdefault(span.stage, []).append(box)
    stages = [stage for stage in STAGES if stage in boxes]
    ends = [box.x1 for each in boxes.values() for box in each]
    since_when = "the run began" if several else "the frame was taken up"
    across = axis_of(f"ms since {since_when}", ends, from_zero=True)
    ticks = tuple(Tick(-row, name) for row, name in rows.items())
    down = Axis("Camera" if several else "Frame", -max(rows) - 0.5, 0.5, own_ticks=ticks)
    tones = {stage: STAGES.index(stage) for stage in stages}
    marks = [Boxes(boxes[stage], tones[stage]) for stage in stages]
    drawn = chart(across, down, marks, label=f"Stages of {len(frames)} frames in the order of time")
    return element("div", legend(list(tones.items())), drawn)


def histograms(profile: Profile) -> list[Element]:
    """Draw how durations scatter, with their percentiles."""
    samples = samples_of(profile)
    wholes = _wholes(profile)
    drawn = []
    for name, values in samples.items():
        shown = values[values <= _most(wholes[name])]
        chart_of_it = _histogram(name, shown, wholes[name])
        drawn.append(element("div", element("h4", name), chart_of_it, *_beyond(values, shown)))
    return drawn


def percentile_plot(samples: Samples) -> Element:
    """Draw duration against percentile; each nine of the percentile takes as much room."""
    most = max(len(values) for values in samples.values())
    ticks = tuple(Tick(_nines(p), f"p{p:g}") for p in PERCENTILE_TICKS if p / 100 <= 1 - 1 / max(most, 100))
    across = Axis("Percentile", 0.0, max(_nines(99.0), math.log10(most)), own_ticks=ticks)
    up = axis_of("ms", [value for values in samples.values() for value in (0.0, values.max())])
    lines = [Line(_quantiles(values), tone) for tone, values in enumerate(samples.values())]
    return element(
        "div",
        legend([(name, tone) for tone, name in enumerate(samples)]),
        chart(across, up, lines, label="Duration by percentile"),
    )


def run_plot(samples: Samples) -> Element:
    """Draw durations in the order in which they were measured: a drift, a pause or a throttle shows."""
    most = max(len(values) for values in samples.values())
    across = Axis("Frame", 0, max(most - 1, 1))
    up = axis_of("ms", [value for values in samples.values() for value in (0.0, values.max())])
    lines = [Line(_thinned(values), tone) for tone, values in enumerate(samples.values())]
    return element(
        "div",
        legend([(name, tone) for tone, name in enumerate(samples)]),
        chart(across, up, lines, label="Durations in the order in which they were measured"),
    )


def _wholes(profile: Profile) -> dict[str, Distribution]:
    named = {"latency_ms": profile.latency_ms, "infer_ms": profile.infer_ms, "sink_ms": profile.sink_ms}
    return {NAMES[name]: each for name, each in named.items() if each is not None}


def samples_of(profile: Profile) -> Samples:
    """Give the durations of the wholes by name, (n,) milliseconds in the order measured."""
    return {
        NAMES[name]: np.asarray(profile.samples_ms[name], np.float64)
        for name in NAMES
        if profile.samples_ms.get(name)
    }


def _percentile(of: Distribution, name: str, needed: Mapping[str, int]) -> Cell:
    value = significant(getattr(of, name))
    if not of.enough.get(name, True):
        return Cell(value, f"wants {needed[name]}" if name in needed else "too few")
    if name not in of.intervals:
        return Cell(value)
    low, high = of.intervals[name]
    return Cell(value, f"{significant(low)}–{significant(high)}")


def _start(frame: FrameTimeline) -> float:
    return min((span.start_ms for span in frame.spans), default=0.0)


def _most(of: Distribution) -> float:
    return of.max if of.max <= FAR_OUT * of.p99 else of.p99


def _histogram(name: str, values: NDArray[np.float64], of: Distribution) -> Element:
    edges = np.histogram_bin_edges(values, bins="auto")
    if len(edges) > MOST_BINS + 1:
        edges = np.linspace(values.min(), values.max(), MOST_BINS + 1)
    counts, edges = np.histogram(values, edges)
    boxes = [
        Box(low, high, 0, count, f"{significant(low)} to {significant(high)} ms: {count}")
        for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        if count
    ]
    across = axis_of("ms", [*edges.tolist(), of.p50, of.p99])
    up = axis_of("Frames", [0, int(counts.max())], from_zero=True)
    rules = [
        Rule(value, f"{percentile} {significant(value)}", level)
        for level, (percentile, value) in enumerate((("p50", of.p50), ("p90", of.p90), ("p99", of.p99)))
    ]
    label = f"Histogram of {name}: {len(values)} frames"
    return chart(across, up, [Boxes(boxes, list(NAMES.values()).index(name)), *rules], label=label)


def _beyond(values: NDArray[np.float64], shown: NDArray[np.float64]) -> list[Element]:
    if len(shown) == len(values):
        return []
    count = len(values) - len(shown)
    verb = "is" if count == 1 else "are"
    return [
        element(
            "p",
            f"{count} beyond p99, up to {significant(values.max())} ms, {verb} not drawn.",
            class_="quiet",
        )
    ]


def _nines(percent: float) -> float:
    """Place a percentile: 90 at 1, 99 at 2, 99.9 at 3."""
    return -math.log10(1 - percent / 100)


def _quantiles(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Give (place of the percentile, duration) of the sorted durations, few enough to draw."""
    ordered = np.sort(values)
    count = len(ordered)
    below = (np.arange(count)) / count  # of the i-th smallest, the share that lies below it
    places = -np.log10(1 - below)
    kept = np.unique(np.searchsorted(places, np.linspace(0, places[-1], MOST_POINTS)))
    return list(zip(places[kept].tolist(), ordered[kept].tolist(), strict=True))


def _thinned(values: NDArray[np.float64]) -> Sequence[tuple[float, float]]:
    """Give (index, duration), of many the least and the largest of each stretch."""
    if len(values) <= MOST_POINTS:
        return list(enumerate(values.tolist()))
    points = []
    for part in np.array_split(np.arange(len(values)), MOST_POINTS // 2):
        extremes = {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
        points += [(float(index), float(values[index])) for index in sorted(extremes)]
    return points

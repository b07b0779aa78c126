"""Draw what `benchmarks.engines` and `benchmarks.growth` wrote as JSON: one page that needs nothing else.

python -m benchmarks.picture -o PAGE.html [--engines FILE] [--growth FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from benchmarks.growth import SIDES, exponent
from benchmarks.peers.telling import OURS, fastest, over
from edgeseg.charts.axis import Axis, Tick, axis_of
from edgeseg.charts.chart import Line, Point, Points, Rule, chart, legend
from edgeseg.charts.elements import element
from edgeseg.charts.page import page, section

PEAK = "peak MB"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engines", type=Path, help="what `benchmarks.engines --json` wrote")
    parser.add_argument("--growth", type=Path, help="what `benchmarks.growth --json` wrote")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    sections = []
    if arguments.engines is not None:
        rows = [json.loads(line) for line in arguments.engines.read_text().splitlines()]
        sections.append(engines_section(rows))
    if arguments.growth is not None:
        found = json.loads(arguments.growth.read_text())
        sections += [growth_section(name, points) for name, points in found.items()]
    arguments.output.write_text(page("edgeseg, measured", *sections), encoding="utf-8")


def engines_section(rows: list[dict[str, Any]]) -> Element:
    """Show how many times as long as our engine each peer takes, a line a network."""
    drawn = [(row, ours) for row in rows if (ours := fastest(row["contenders"], OURS)) is not None]
    names = sorted({name for row, _ in drawn for name in row["contenders"] if name not in OURS})
    places = {name: [] for name in names}
    for line, (row, ours) in enumerate(drawn):
        for name, told in row["contenders"].items():
            if name in places and told["refused"] is None:
                ratio = over(row["contenders"][ours], told)
                about = f"{row['row']}, {name}: {ratio:.2f} times as long"
                places[name].append(Point(ratio, -line, about))
    ratios = [point.x for points in places.values() for point in points]
    x = axis_of("Time of a frame, over that of edgeseg's engine", [1.0, *ratios], logarithmic=True)
    ticks = tuple(Tick(-line, str(line + 1)) for line in range(len(drawn)))
    networks = "; ".join(f"{line + 1} {row['row']}" for line, (row, _) in enumerate(drawn))
    y = Axis("Network", 0.5 - len(drawn), 0.5, own_ticks=ticks)
    marks = [Points(points, tone) for tone, points in enumerate(places.values())]
    label = "How many times as long as edgeseg's engine each other engine takes for a frame, by network"
    threads = drawn[0][0]["threads"] if drawn else 0
    return section(
        f"Engines, {threads} threads: right of 1 is slower than ours",
        chart(x, y, [Rule(1.0, "edgeseg"), *marks], label=label, tall=True),
        legend([(name, tone) for tone, name in enumerate(names)]),
        element("p", networks),
    )


def growth_section(name: str, points: dict[str, dict[str, float]]) -> Element:
    """Show how the stages' times grow along an axis, each with its exponent."""
    sizes = [int(size) for size in points]
    stages = [stage for stage in next(iter(points.values())) if stage != PEAK]
    power = 2 if name in SIDES else 1
    lines, entries = [], []
    for tone, stage in enumerate(stages):
        values = [points[str(size)][stage] for size in sizes]
        kept = [(float(size), ms) for size, ms in zip(sizes, values, strict=True) if size > 0 and ms > 0]
        lines.append(Line(kept, tone))
        entries.append((f"{stage}, exponent {exponent(sizes, values) / power:.2f}", tone))
    every = [ms for line in lines for _, ms in line.points]
    x = axis_of(name.capitalize(), [size for size in sizes if size > 0], logarithmic=True)
    y = axis_of("Time (ms)", every, logarithmic=True)
    label = f"How the time of a frame grows with {name}"
    return section(f"Growth: {name}", chart(x, y, lines, label=label), legend(entries))


if __name__ == "__main__":
    main()

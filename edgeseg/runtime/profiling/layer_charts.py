"""Draw where the time of an inference goes: bars by node, operator and module, and the roofline."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from edgeseg.charts.axis import Axis, axis_of
from edgeseg.charts.chart import Line, Mark, Point, Points, chart, legend
from edgeseg.charts.elements import element
from edgeseg.charts.numbers import significant
from edgeseg.charts.table import Content, share_bar, table
from edgeseg.runtime.profiling.ceilings import Ceilings
from edgeseg.runtime.profiling.layers import LayerGroup, LayerProfile, LayerTime

SLOWEST_NODES = 15
SLOWEST_GROUPS = 10
NUMBERED = 5  # slowest nodes that the roofline names by their number
NODES, WHOLE = 0, 1  # tones of the roofline
CEILING_TONES = (2, 3, 4, 5)
MB_PER_GFLOP_PER_BYTE = 1000.0  # 10^9 operations by 10^6 bytes
UNKNOWN_MODULE = "(not of one module)"


def node_bars(layers: LayerProfile) -> list[Element]:
    """Tabulate the slowest nodes with bars, and all others below, folded away."""
    slowest = sorted(layers.layers, key=lambda layer: -layer.time_ms)
    drawn = [_nodes(slowest[:SLOWEST_NODES], 1, slowest)]
    if others := slowest[SLOWEST_NODES:]:
        milliseconds = significant(sum(layer.time_ms for layer in others))
        folded = element("summary", f"{len(others)} further nodes, together {milliseconds} ms")
        drawn.append(element("details", folded, _nodes(others, SLOWEST_NODES + 1, slowest)))
    return drawn


def group_bars(groups: Sequence[LayerGroup], kind: str) -> Element:
    """Tabulate operators or modules with bars; the fastest ones are summed up in the last row."""
    longest = max((group.time_ms for group in groups), default=0.0)
    rows = [
        _group(group.name or UNKNOWN_MODULE, group.nodes, group.time_ms, group.share, longest)
        for group in groups[:SLOWEST_GROUPS]
    ]
    if others := groups[SLOWEST_GROUPS:]:
        nodes = sum(group.nodes for group in others)
        time_ms, share = sum(group.time_ms for group in others), sum(group.share for group in others)
        rows.append([f"{len(others)} others", str(nodes), significant(time_ms), f"{100 * share:.1f}"])
    return table([kind, "nodes", "ms", "%"], rows)


def roofline(layers: LayerProfile) -> list[Element]:
    """Draw each node's operations a second against its operations a byte, below what the machine can do.

    Empty where no ceiling was measured, or no node's shapes are known.
    """
    placed = [layer for layer in layers.layers if _intensity(layer) is not None and layer.gflops]
    if layers.ceilings is None or not placed:
        return []
    slowest = sorted(layers.layers, key=lambda layer: -layer.time_ms)
    numbers = {id(layer): number for number, layer in enumerate(slowest, 1)}
    points = [_point(layer, numbers[id(layer)]) for layer in sorted(placed, key=lambda layer: layer.time_ms)]
    whole = _whole(layers, placed)
    across, up = _axes([*points, whole], layers.ceilings)
    ceilings, names = _ceilings(layers.ceilings, across, up, {layer.precision for layer in placed})
    marks: list[Mark] = [*ceilings, Points(points, NODES), Points([whole], WHOLE)]
    label = f"Roofline of {len(placed)} nodes: operations a second by operations a byte"
    drawn = [
        legend([("a node", NODES), ("all of them", WHOLE), *names]),
        chart(across, up, marks, label=label, tall=True),
    ]
    others = [layer for layer in layers.layers if layer not in placed]
    if others:
        milliseconds = significant(sum(layer.time_ms for layer in others))
        note = f"Not drawn: {len(others)} nodes, {milliseconds} ms, without arithmetic or of unknown shapes."
        drawn.append(element("p", note, class_="quiet"))
    return drawn


def _nodes(layers: Sequence[LayerTime], first: int, slowest: Sequence[LayerTime]) -> Element:
    longest = slowest[0].time_ms if slowest else 0.0
    rows: list[list[Content]] = [
        [
            _named(f"{number}  {layer.name}", layer.time_ms, longest, _about(layer)),
            significant(layer.time_ms),
            f"{100 * layer.share:.1f}",
            _rate(layer.gflops),
            _rate(layer.gbs),
            "–" if layer.efficiency is None else f"{100 * layer.efficiency:.0f}",
        ]
        for number, layer in enumerate(layers, first)
    ]
    return table(["node", "ms", "%", "GFLOP/s", "GB/s", "% of roof"], rows)


def _group(name: str, nodes: int, time_ms: float, share: float, longest: float) -> list[Content]:
    return [_named(name, time_ms, longest), str(nodes), significant(time_ms), f"{100 * share:.1f}"]


def _named(name: str, time_ms: float, longest: float, about: str = "") -> Element:
    below = [element("small", element("bdi", about))] if about else []
    return element("div", element("bdi", name), *below, share_bar(time_ms / longest if longest else 0.0))


def _about(layer: LayerTime) -> str:
    return " · ".join(part for part in (layer.operator, layer.precision, layer.module) if part)


def _rate(value: float | None) -> str:
    return "–" if not value else significant(value)


def _intensity(layer: LayerTime) -> float | None:
    """Operations a byte; None without arithmetic or shapes."""
    return MB_PER_GFLOP_PER_BYTE * layer.gflop / layer.mbytes if layer.gflop and layer.mbytes else None


def _point(layer: LayerTime, number: int) -> Point:
    about = f"{number} {layer.name}: {_about(layer)}, {significant(layer.time_ms)} ms"
    label = str(number) if number <= NUMBERED else ""
    return Point(_intensity(layer) or 0.0, layer.gflops or 0.0, about, label)


def _whole(layers: LayerProfile, placed: Sequence[LayerTime]) -> Point:
    gflop = sum(layer.gflop or 0.0 for layer in placed)
    mbytes = sum(layer.mbytes or 0.0 for layer in placed)
    gflops = 1000 * gflop / sum(layer.time_ms for layer in placed)
    return Point(MB_PER_GFLOP_PER_BYTE * gflop / mbytes, gflops, "all nodes that are drawn")


def _axes(points: Sequence[Point], ceilings: Ceilings) -> tuple[Axis, Axis]:
    ridges = [gflops / ceilings.copy_gbs for gflops in ceilings.gemm_gflops.values()]
    across = axis_of("Operations a byte", [*(point.x for point in points), *ridges], logarithmic=True)
    rates = [*(point.y for point in points), *ceilings.gemm_gflops.values()]
    return across, axis_of("GFLOP/s", rates, logarithmic=True)


def _ceilings(
    ceilings: Ceilings, across: Axis, up: Axis, precisions: set[str]
) -> tuple[list[Line], list[tuple[str, int]]]:
    """Draw memory's slope up to the highest ceiling, and the ceiling of each precision; name them."""
    drawn, names = [], []
    shown = {name: gflops for name, gflops in ceilings.gemm_gflops.items() if name in precisions}
    highest = max((shown or ceilings.gemm_gflops).values(), default=up.high)
    memory_tone, *tones = CEILING_TONES
    start = max(across.low, up.low / ceilings.copy_gbs)
    drawn.append(
        Line([(start, start * ceilings.copy_gbs), (highest / ceilings.copy_gbs, highest)], memory_tone)
    )
    names.append((f"memory, {significant(ceilings.copy_gbs)} GB/s", memory_tone))
    for tone, (precision, gflops) in zip(tones, shown.items(), strict=False):
        drawn.append(Line([(gflops / ceilings.copy_gbs, gflops), (across.high, gflops)], tone))
        names.append((f"{precision}, {significant(gflops)} GFLOP/s", tone))
    return drawn, names

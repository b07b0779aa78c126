"""Draw lines, points, boxes and rules between two axes, as SVG whose text keeps its size at any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from edgeseg.charts.axis import Axis
from edgeseg.charts.elements import Child, element

TONES = 8  # colours that the style sheet has
FINE = 10_000  # units of the square within which lines are drawn; the browser stretches it
POINT_RADIUS_PX = 4.5
LABEL_GAP_PX = 8
TICK_GAP_PX = 8
X_TICKS_BELOW_PX = 18
X_TITLE_BELOW_PX = 36
LEFT_LABELS_BEYOND = 0.7  # of the width: a label further right stands left of its point


@dataclass(frozen=True)
class Line:
    """A line through points (x, y), in order."""

    points: Sequence[tuple[float, float]]
    tone: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Point:
    """A point; `about` appears when a mouse rests on it, `label` stands beside it."""

    x: float
    y: float
    about: str = ""
    label: str = ""


@dataclass(frozen=True)
class Points:
    """Points of one kind."""

    points: Sequence[Point]
    tone: int = 0


@dataclass(frozen=True)
class Box:
    """A rectangle from (x0, y0) to (x1, y1)."""

    x0: float
    x1: float
    y0: float
    y1: float
    about: str = ""


@dataclass(frozen=True)
class Boxes:
    """Rectangles of one kind."""

    boxes: Sequence[Box]
    tone: int = 0


@dataclass(frozen=True)
class Rule:
    """An upright line across the chart at `x`, with a label at its top."""

    x: float
    label: str = ""
    level: int = 0  # labels of rules that are close stand below each other: 0 is the top line


Mark = Line | Points | Boxes | Rule


def chart(x: Axis, y: Axis, marks: Sequence[Mark], *, label: str, tall: bool = False) -> Element:
    """Draw a chart.

    Args:
        marks: the later over the earlier.
        label: what it shows, in a sentence, for those who do not see it.
        tall: for many rows.
    """
    drawn = element(
        "svg", element("title", label), class_="plot tall" if tall else "plot", role="img", aria_label=label
    )
    drawn.extend(_grid(x, y))
    for mark in marks:
        drawn.extend(_drawn(mark, x, y))
    for mark in marks:
        drawn.extend(_labels(mark, x, y))  # over all marks
    drawn.append(element("text", x.title, class_="axis", x="50%", y="100%", dy=X_TITLE_BELOW_PX))
    return element("figure", element("p", y.title, class_="axis"), drawn)


def legend(entries: Sequence[tuple[str, int]]) -> Element:
    """Name the tones that a chart uses: (name, tone)."""
    items = [element("li", _swatch(tone), element("bdi", name)) for name, tone in entries]
    return element("ul", *items, class_="legend")


def _grid(x: Axis, y: Axis) -> list[Element]:
    drawn = []
    for tick in y.ticks():
        at = _percent(1 - y.place(tick.value))
        drawn.append(element("line", class_="grid", x1="0", x2="100%", y1=at, y2=at))
        drawn.append(element("text", tick.text, class_="tick y", x=-TICK_GAP_PX, y=at, dy="0.35em"))
    for tick in x.ticks():
        at = _percent(x.place(tick.value))
        drawn.append(element("line", class_="grid", x1=at, x2=at, y1="0", y2="100%"))
        drawn.append(element("text", tick.text, class_="tick x", x=at, y="100%", dy=X_TICKS_BELOW_PX))
    return drawn


def _drawn(mark: Mark, x: Axis, y: Axis) -> list[Element]:
    if isinstance(mark, Line):
        return [_line(mark, x, y)]
    if isinstance(mark, Boxes):
        return [_box(box, mark.tone, x, y) for box in mark.boxes]
    if isinstance(mark, Rule):
        return [_rule(mark, x)]
    return [_point(point, mark.tone, x, y) for point in mark.points]


def _labels(mark: Mark, x: Axis, y: Axis) -> list[Element]:
    if isinstance(mark, Rule) and mark.label:
        return [_beside(mark.label, x.place(mark.x), "0", f"{1 + 1.2 * mark.level:g}em")]
    if isinstance(mark, Points):
        labelled = (point for point in mark.points if point.label)
        return [
            _beside(point.label, x.place(point.x), _percent(1 - y.place(point.y)), "0.35em")
            for point in labelled
        ]
    return []


def _line(line: Line, x: Axis, y: Axis) -> Element:
    places = ((x.place(across), 1 - y.place(up)) for across, up in line.points)
    path = " ".join(f"{FINE * across:.0f},{FINE * down:.0f}" for across, down in places)
    tone = f"line tone-{line.tone % TONES}" + (" dashed" if line.dashed else "")
    return element(
        "svg",
        element("polyline", points=path, class_=tone, vector_effect="non-scaling-stroke"),
        viewBox=f"0 0 {FINE} {FINE}",
        preserveAspectRatio="none",
        width="100%",
        height="100%",
        class_="lines",
    )


def _box(box: Box, tone: int, x: Axis, y: Axis) -> Element:
    left, right = sorted((x.place(box.x0), x.place(box.x1)))
    bottom, top = sorted((y.place(box.y0), y.place(box.y1)))
    return element(
        "rect",
        *_about(box.about),
        class_=f"area tone-{tone % TONES}",
        x=_percent(left),
        y=_percent(1 - top),
        width=_percent(right - left),
        height=_percent(top - bottom),
    )


def _rule(rule: Rule, x: Axis) -> Element:
    at = _percent(x.place(rule.x))
    return element("line", class_="rule", x1=at, x2=at, y1="0", y2="100%")


def _point(point: Point, tone: int, x: Axis, y: Axis) -> Element:
    return element(
        "circle",
        *_about(point.about or point.label),
        class_=f"point tone-{tone % TONES}",
        cx=_percent(x.place(point.x)),
        cy=_percent(1 - y.place(point.y)),
        r=POINT_RADIUS_PX,
    )


def _beside(label: str, across: float, y: str, dy: str) -> Element:
    """Write a label right of a place, or left of it where the right has no room."""
    left = across > LEFT_LABELS_BEYOND
    gap = -LABEL_GAP_PX if left else LABEL_GAP_PX
    side = "label left" if left else "label"
    return element("text", label, class_=side, x=_percent(across), dx=gap, y=y, dy=dy)


def _swatch(tone: int) -> Element:
    square = element("rect", class_=f"area tone-{tone % TONES}", width="100%", height="100%")
    return element("svg", square, class_="swatch", aria_hidden="true")


def _about(text: str) -> list[Child]:
    return [element("title", text)] if text else []


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"

"""Draw engines by their time and by what they lose, those on the front joined: the picture of a tuning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edgeseg.charts.axis import Axis, axis_of
from edgeseg.palette import RGBColour
from edgeseg.tune.drawing import FAINT, INK, Path2D, Point, Shape, Words
from edgeseg.tune.report import Candidate, Tuning

SIZE_WH = (960, 480)
LEFT, TOP, RIGHT, BOTTOM = 70, 44, 560, 420  # of the plot; names stand to the right of it
LIST_X, LINE_PX = 590, 22
MARK_PX = 6.0  # half of a mark's width
MOST_NAMED = 16
WIDE = 5.0  # times, from which on the axis of time is logarithmic
ROOM_BELOW = 1.2  # of what may be lost
BOUND: RGBColour = (200, 60, 60)
KEPT: RGBColour = (0, 0, 0)
# Colours that people with any colour vision tell apart: Okabe and Ito, "Color Universal Design", 2008.
COLOURS: tuple[RGBColour, ...] = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0))
CORNERS = {"fp32": 24, "fp16": 4, "int8": 3}  # of the mark of a precision


def picture_of(tuning: Tuning) -> tuple[list[Shape], str]:
    """Draw a tuning in SIZE_WH pixels, and say in words what is seen."""
    candidates = tuning.candidates
    across, down = _axes(tuning)
    shapes: list[Shape] = [*_frame(tuning, across, down), *_front(candidates, across, down)]
    backends = list(dict.fromkeys(one.backend for one in candidates))
    several = len({one.size_hw for one in candidates}) > 1
    for number, one in enumerate(candidates, start=1):
        place = _place(across, down, one.latency_ms, one.drop_points)
        colour = COLOURS[backends.index(one.backend) % len(COLOURS)]
        shapes.append(_mark(place, one, colour))
        if number <= MOST_NAMED:
            shapes.append(Words(str(number), (place[0] + MARK_PX + 2, place[1] - MARK_PX), 11))
            shapes += _line_of_list(number, one, colour, several)
    if len(candidates) > MOST_NAMED:
        more = f"and {len(candidates) - MOST_NAMED} slower ones"
        shapes.append(Words(more, (LIST_X, TOP + MOST_NAMED * LINE_PX), 12))
    kept = tuning.kept
    told = f"{len(candidates)} engines by time and loss; kept: {kept.name}, {kept.latency_ms:.1f} ms"
    return shapes, told


def _axes(tuning: Tuning) -> tuple[Axis, Axis]:
    times = [one.latency_ms for one in tuning.candidates]
    drops = [*(one.drop_points for one in tuning.candidates), 0.0, tuning.max_drop * ROOM_BELOW]
    wide = max(times) > WIDE * min(times)
    return (
        axis_of("milliseconds, frame to result", times, logarithmic=wide),
        axis_of(f"points lost: {tuning.accuracy_of}", drops),
    )


def _place(across: Axis, down: Axis, latency_ms: float, drop_points: float) -> Point:
    x, y = across.place(latency_ms), down.place(drop_points)
    return LEFT + x * (RIGHT - LEFT), TOP + y * (BOTTOM - TOP)


def _frame(tuning: Tuning, across: Axis, down: Axis) -> Iterator[Shape]:
    for tick in across.ticks():
        x, _ = _place(across, down, tick.value, down.low)
        yield Path2D([(x, TOP), (x, BOTTOM)], FAINT)
        yield Words(tick.text, (x, BOTTOM + 18), 12, "middle")
    for tick in down.ticks():
        _, y = _place(across, down, across.low, tick.value)
        yield Path2D([(LEFT, y), (RIGHT, y)], FAINT)
        yield Words(tick.text, (LEFT - 8, y + 4), 12, "end")
    _, bound = _place(across, down, across.low, tuning.max_drop)
    yield Path2D([(LEFT, bound), (RIGHT, bound)], BOUND, width_px=1.5)
    yield Words(f"{tuning.max_drop:g} allowed", (RIGHT - 4, bound - 5), 12, "end", BOUND)
    yield Path2D([(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], INK)
    yield Words(across.title, ((LEFT + RIGHT) / 2, BOTTOM + 40), 13, "middle")
    yield Words(down.title, (LEFT, TOP - 16), 13)
    yield Words("circles fp32, squares fp16, triangles int8", (LEFT, BOTTOM + 56), 11)


def _front(candidates: Sequence[Candidate], across: Axis, down: Axis) -> Iterator[Shape]:
    """Join the engines that no other is both faster and more accurate than."""
    best = math.inf
    points: list[Point] = []
    for one in sorted(candidates, key=lambda one: (one.latency_ms, one.drop_points)):
        if one.drop_points < best:
            best = one.drop_points
            points.append(_place(across, down, one.latency_ms, one.drop_points))
    if len(points) > 1:
        yield Path2D(points, (120, 120, 120), width_px=1.5)


def _mark(place: Point, one: Candidate, colour: RGBColour) -> Shape:
    """Draw an engine: the shape is its precision's, and that which is kept has a thick black edge."""
    corners = CORNERS[one.precision]
    turn = math.pi / 4 if corners == CORNERS["fp16"] else math.pi / 2
    kept = one.verdict == "kept"
    radius = MARK_PX * (1.4 if kept else 1.0)
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    points = [(place[0] + radius * math.cos(a), place[1] - radius * math.sin(a)) for a in angles]
    return Path2D(points, KEPT if kept else colour, colour, 2.5 if kept else 1.0)


def _line_of_list(number: int, one: Candidate, colour: RGBColour, several: bool) -> Iterator[Shape]:
    y = TOP + (number - 1) * LINE_PX
    yield _mark((LIST_X + 22, y - 4), one, colour)
    yield Words(str(number), (LIST_X, y), 12)
    size = f" {one.size_hw[0]}x{one.size_hw[1]}" if several else ""
    kept = ", kept" if one.verdict == "kept" else ""
    text = f"{one.name}{size}: {one.latency_ms:.1f} ms, {one.drop_points:+.2f}{kept}"
    yield Words(text, (LIST_X + 36, y), 12)

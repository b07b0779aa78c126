"""Draw engines by their time and by what they lose, those on the front joined: the picture of a tuning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeseg.palette import RGBColour
from edgeseg.tune.drawing import FAINT, INK, Path2D, Point, Shape, Words
from edgeseg.tune.report import Candidate, Tuning

SIZE_WH = (960, 480)
LEFT, TOP, RIGHT, BOTTOM = 70, 44, 560, 420  # of the plot; names stand to the right of it
LIST_X, LINE_PX = 590, 22
MARK_PX = 6.0  # half of a mark's width
MOST_NAMED = 16
TICKS = 5
WIDE = 5.0  # times, from which on the axis of time is logarithmic
MARGIN = 0.08  # of an axis, beyond the marks
BOUND: RGBColour = (200, 60, 60)
KEPT: RGBColour = (0, 0, 0)
# Colours that people with any colour vision tell apart: Okabe and Ito, "Color Universal Design", 2008.
COLOURS: tuple[RGBColour, ...] = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0))
CORNERS = {"fp32": 24, "fp16": 4, "int8": 3}  # of the mark of a precision


@dataclass(frozen=True)
class Axis:
    """Turns values into pixels."""

    low: float
    high: float
    start_px: float
    end_px: float
    logarithmic: bool = False

    def px(self, value: float) -> float:
        """Give the place of a value."""
        low, high, value = (
            (math.log(one) for one in (self.low, self.high, value))
            if self.logarithmic
            else (self.low, self.high, value)
        )
        return self.start_px + (value - low) / (high - low) * (self.end_px - self.start_px)

    @property
    def ticks(self) -> list[float]:
        """Give round values along it."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        else:
            rough = (self.high - self.low) / TICKS
            step = 10.0 ** math.floor(math.log10(rough))
            step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= rough)
            values = [step * count for count in range(math.ceil(self.low / step), int(self.high / step) + 1)]
        return [value for value in values if self.low <= value <= self.high]


def picture_of(tuning: Tuning) -> tuple[list[Shape], str]:
    """Draw a tuning in SIZE_WH pixels, and say in words what is seen."""
    candidates = tuning.candidates
    across, down = _axes(tuning)
    shapes: list[Shape] = [*_frame(tuning, across, down), *_front(candidates, across, down)]
    backends = list(dict.fromkeys(one.backend for one in candidates))
    several = len({one.size_hw for one in candidates}) > 1
    for number, one in enumerate(candidates, start=1):
        place = (across.px(one.latency_ms), down.px(one.drop_points))
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
    drops = [*(one.drop_points for one in tuning.candidates), 0.0, tuning.max_drop]
    wide = max(times) > WIDE * min(times)
    if wide:
        low, high = min(times) / 1.2, max(times) * 1.2
    else:
        room = MARGIN * max(max(times) - min(times), 0.1 * max(times))
        low, high = min(times) - room, max(times) + room
    room = MARGIN * max(max(drops) - min(drops), 0.1)
    return (
        Axis(low, high, LEFT, RIGHT, logarithmic=wide),
        Axis(min(drops) - room, max(drops) + room, TOP, BOTTOM),
    )


def _frame(tuning: Tuning, across: Axis, down: Axis) -> Iterator[Shape]:
    for value in across.ticks:
        x = across.px(value)
        yield Path2D([(x, TOP), (x, BOTTOM)], FAINT)
        yield Words(f"{value:g}", (x, BOTTOM + 18), 12, "middle")
    for value in down.ticks:
        y = down.px(value)
        yield Path2D([(LEFT, y), (RIGHT, y)], FAINT)
        yield Words(f"{round(value, 6):g}", (LEFT - 8, y + 4), 12, "end")
    bound = down.px(tuning.max_drop)
    yield Path2D([(LEFT, bound), (RIGHT, bound)], BOUND, width_px=1.5)
    yield Words(f"{tuning.max_drop:g} allowed", (RIGHT - 4, bound - 5), 12, "end", BOUND)
    yield Path2D([(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], INK)
    yield Words("milliseconds, frame to result", ((LEFT + RIGHT) / 2, BOTTOM + 40), 13, "middle")
    yield Words(f"points lost: {tuning.accuracy_of}", (LEFT, TOP - 16), 13)
    yield Words("circles fp32, squares fp16, triangles int8", (LEFT, BOTTOM + 56), 11)


def _front(candidates: Sequence[Candidate], across: Axis, down: Axis) -> Iterator[Shape]:
    """Join the engines that no other is both faster and more accurate than."""
    best = math.inf
    points: list[Point] = []
    for one in sorted(candidates, key=lambda one: (one.latency_ms, one.drop_points)):
        if one.drop_points < best:
            best = one.drop_points
            points.append((across.px(one.latency_ms), down.px(one.drop_points)))
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

"""Place values along an axis, linear or logarithmic, with round numbers beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from edgeseg.charts.numbers import short

TICKS = 5  # about so many fit beside a chart on a phone
ROUND_STEPS = (1.0, 2.0, 5.0, 10.0)  # times a power of ten
LOG_STEPS = (1.0, 2.0, 5.0)
FEW_DECADES = 2.0  # fewer get numbers between the powers of ten
EMPTY_SPAN = 0.1  # of an axis on which all values are the same, in parts of the value


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    value: float
    text: str


@dataclass(frozen=True)
class Axis:
    """The range of an axis.

    Attributes:
        title: with the unit: "Latency (ms)".
        low, high: values at its ends.
        logarithmic: both ends are above 0 then.
        own_ticks: written instead of round numbers.
    """

    title: str
    low: float
    high: float
    logarithmic: bool = False
    own_ticks: tuple[Tick, ...] = ()

    def __post_init__(self) -> None:
        """Check the range. Raises ValueError."""
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not finite or self.low >= self.high or (self.logarithmic and self.low <= 0):
            raise ValueError(
                f"an axis must go from a low value to a higher one, got {self.low} to {self.high}"
            )

    def place(self, value: float) -> float:
        """Say how far along the axis a value is, 0..1; one beyond an end is at that end."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def ticks(self) -> tuple[Tick, ...]:
        """Give the round numbers within the range, or the axis's own."""
        if self.own_ticks:
            return self.own_ticks
        values = _log_ticks(self.low, self.high) if self.logarithmic else _linear_ticks(self.low, self.high)
        return tuple(Tick(value, short(value)) for value in values)


def axis_of(
    title: str, values: Iterable[float], *, from_zero: bool = False, logarithmic: bool = False
) -> Axis:
    """Make an axis that holds all values and ends at round numbers.

    Args:
        values: finite; above 0 for a logarithmic axis, others are left out of its range.
        from_zero: begin at 0, as the lengths of bars must.

    Raises:
        ValueError: if there are none.
    """
    held = [value for value in values if math.isfinite(value) and (value > 0 or not logarithmic)]
    if not held:
        raise ValueError(f"no value to place on the axis {title!r}")
    low, high = min(held), max(held)
    if logarithmic:
        return Axis(
            title, _round_log(low / (1 + EMPTY_SPAN), down=True), _round_log(high * (1 + EMPTY_SPAN)), True
        )
    low = min(low, 0.0) if from_zero else low
    if low == high:
        margin = abs(low) * EMPTY_SPAN or 1.0
        low, high = (low if from_zero else low - margin), high + margin
    step = _step(high - low)
    return Axis(title, math.floor(low / step) * step, math.ceil(high / step) * step)


def _step(span: float) -> float:
    least = span / TICKS
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * step for step in ROUND_STEPS if power * step >= least * (1 - 1e-9))


def _linear_ticks(low: float, high: float) -> list[float]:
    step = _step(high - low)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def _round_log(value: float, *, down: bool = False) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    steps = [power * step for step in (*LOG_STEPS, 10.0)]
    if down:
        return max(step for step in steps if step <= value * (1 + 1e-9))
    return min(step for step in steps if step >= value * (1 - 1e-9))


def _log_ticks(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    steps = LOG_STEPS if decades <= FEW_DECADES else LOG_STEPS[:1]
    every = max(1, math.ceil(decades / TICKS / 1.5))
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [10.0**power * step for power in range(first, last + 1, every) for step in steps]
    return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]

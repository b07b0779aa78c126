"""Give each figure with its interval, and what it differs from that of another network on the same images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.metrics.bootstrap import draws, interval

Interval = tuple[float, float]
"""The ends of the middle 95 percent of what a bootstrap over images gives; NaN where it is not defined."""


class Figures(NamedTuple):
    """Figures by name, 0..1, NaN where one is not defined; of draws of the images (B, ...).

    Attributes:
        overall: (...) each.
        classes: (..., C) each, a figure a class.
    """

    overall: Mapping[str, NDArray[np.float64]]
    classes: Mapping[str, NDArray[np.float64]]

    def first(self) -> Figures:
        """Give the figures of the first draw."""
        return Figures(*({name: value[0] for name, value in part.items()} for part in self))


class Sheet(Protocol):
    """What was counted of each image."""

    def __len__(self) -> int: ...

    def figures(self) -> Figures:
        """Give the figures of all images together."""
        ...

    def drawn(self, weights: NDArray[np.int64]) -> Figures:
        """Give those of draws, (B, N) how often each image is in each; some may be missing."""
        ...


@dataclass(frozen=True)
class Difference:
    """What a figure lies above (or, below 0, below) that of the other network.

    Attributes:
        other: the other's figure.
        value: of this network, less the other's.
        interval: of the difference, both on the same draws of the images.
    """

    other: float
    value: float
    interval: Interval


@dataclass(frozen=True)
class Figure:
    """A figure, 0..1, NaN where it is not defined.

    Attributes:
        value: of all images together.
        interval: what other images of the same kind might give.
        difference: from the other network, where there is one.
    """

    value: float
    interval: Interval
    difference: Difference | None = None

    def to_json_value(self) -> dict[str, Any]:
        """Give it as JSON has it: null for what is not defined."""
        value: dict[str, Any] = {"value": defined(self.value), "interval": _ends(self.interval)}
        if self.difference is not None:
            value["against"] = defined(self.difference.other)
            value["difference"] = defined(self.difference.value)
            value["difference_interval"] = _ends(self.difference.interval)
        return value


def compared(
    sheet: Sheet, other: Sheet | None = None
) -> tuple[dict[str, Figure], dict[str, tuple[Figure, ...]]]:
    """Give the figures of a sheet, overall and of each class, beside those of another of the same images."""
    weights = draws(len(sheet))
    found, drawn = sheet.figures(), sheet.drawn(weights)
    if other is None:
        parts = [_figures(*pair) for pair in zip(found, drawn, strict=True)]
    else:
        of_other = zip(other.figures(), other.drawn(weights), strict=True)
        parts = [
            _figures(*pair, *theirs)
            for pair, theirs in zip(zip(found, drawn, strict=True), of_other, strict=True)
        ]
    overall, classes = parts
    return {name: one for name, (one,) in overall.items()}, classes


def defined(value: float) -> float | None:
    """Give None for NaN, as JSON has it."""
    return None if math.isnan(value) else float(value)


Part = Mapping[str, NDArray[np.float64]]


def _figures(
    found: Part, drawn: Part, theirs: Part | None = None, their_draws: Part | None = None
) -> dict[str, tuple[Figure, ...]]:
    """Give figures for each name, as many as there are classes, or one."""
    figures = {}
    for name, values in found.items():
        ends = _interval_of(values, drawn.get(name))
        differences: list[Difference | None] = [None] * np.size(values)
        if theirs is not None and their_draws is not None:
            by = values - theirs[name]
            both = drawn[name] - their_draws[name] if name in drawn else None
            rows = zip(np.atleast_1d(theirs[name]), np.atleast_1d(by), _interval_of(by, both), strict=True)
            differences = [Difference(float(a), float(b), ends_of) for a, b, ends_of in rows]
        each = zip(np.atleast_1d(values), ends, differences, strict=True)
        figures[name] = tuple(Figure(float(value), pair, difference) for value, pair, difference in each)
    return figures


def _interval_of(values: NDArray[np.float64], drawn: NDArray[np.float64] | None) -> list[Interval]:
    """Give an interval for each of the values, (...,) or one; NaN where nothing was drawn."""
    if drawn is None:
        return [(math.nan, math.nan)] * np.size(values)
    low, high = np.atleast_1d(*interval(drawn))
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _ends(of: Interval) -> list[float] | None:
    return None if math.isnan(of[0]) else list(of)

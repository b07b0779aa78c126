"""Find the engines that no other beats: each is faster, more accurate, smaller or lighter than any other."""

from __future__ import annotations

from collections.abc import Sequence

ALIKE = 1.02  # times, within which two figures are taken for the same: noise of times and of memory

Figures = Sequence[float]
"""What is to be small of an engine, each 0 or more: in the same order for all."""


def front(engines: Sequence[Figures]) -> list[bool]:
    """Say of each engine whether it is on the Pareto front: no other is as good in all and better in one."""
    return [not any(dominates(other, one) for other in engines) for one in engines]


def dominates(one: Figures, other: Figures) -> bool:
    """Whether an engine is as good as another in every figure, and better in one."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b * ALIKE for a, b in pairs) and any(a * ALIKE < b for a, b in pairs)

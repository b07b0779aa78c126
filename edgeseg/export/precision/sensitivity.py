"""Find the fewest layers that must stay in float so that int8 costs the task no more than is allowed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from edgeseg.export.precision.report import CurvePoint, Kept

MOST_GROUPS = 24  # that are measured one by one; layers of one block share a group where there are more
BUDGET_S = 240.0  # for ranking the groups, and again for pruning; a device is slow, and a user waits

DropOf = Callable[[Collection[str]], float]
"""Points lost with these layers in float and all others in int8."""


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Attributes:
        float_layers: to leave in float, the most sensitive first.
        curve: what was measured on the way, by the number of layers in float.
        drop_points: what is lost in the end.
        notes: how the search was cut short, if it was.
        interrupted: whether it was by the user.
    """

    float_layers: tuple[Kept, ...]
    curve: tuple[CurvePoint, ...]
    drop_points: float
    notes: tuple[str, ...] = ()
    interrupted: bool = False


class _Best:
    """Measures, and remembers the candidate with the fewest float layers among those that are allowed."""

    def __init__(self, layers: Sequence[str], drop_of: DropOf, max_drop: float) -> None:
        self.float_layers: list[str] | None = None
        self.drop_points = 0.0
        self._layers = layers
        self._drop_of = drop_of
        self._max_drop = max_drop

    def __call__(self, float_layers: Collection[str]) -> float:
        lost = self._drop_of(float_layers)
        fewest = len(self._layers) if self.float_layers is None else len(self.float_layers)
        if lost <= self._max_drop and len(float_layers) < fewest:
            self.float_layers, self.drop_points = list(float_layers), lost
        return lost


def search(
    layers: Sequence[str],
    drop_of: DropOf,
    max_drop: float,
    *,
    on_step: Callable[[str], None] = lambda step: None,
    budget_s: float = BUDGET_S,
    seconds_each: float = 0.0,
) -> Found:
    """Leave layers in float, the most sensitive first, until the drop is allowed; then take back what can be.

    Sensitivity is measured in groups: what a group costs when it alone is in int8. How many groups are enough
    is then found by doubling their number, and by halving the last step.

    Args:
        layers: names of those that would compute in int8, in the order of the graph.
        drop_of: measures.
        max_drop: points.
        on_step: told what is measured.
        budget_s: time after which the ranking, and then the pruning, stop where they are.
        seconds_each: that a candidate takes, for the estimate that is told.

    Raises:
        KeyboardInterrupt: if the user interrupts before any candidate is allowed; later it is the end of the
            search.
    """
    drop = drop_of(())
    curve = [CurvePoint(0, drop)]
    if drop <= max_drop:
        return Found((), tuple(curve), drop)
    groups = group_layers(layers)
    on_step(
        f"int8 costs {drop:.2f} points, at most {max_drop:g} are allowed: ranking {len(groups)} groups of "
        f"layers, {_estimate(len(groups), len(layers), seconds_each, budget_s)}; Ctrl-C keeps the best so far"
    )
    best = _Best(layers, drop_of, max_drop)
    cost: dict[str, float] = {}
    try:
        return _ranked_search(
            layers, groups, best, max_drop, cost=cost, curve=curve, on_step=on_step, budget_s=budget_s
        )
    except KeyboardInterrupt:
        if best.float_layers is None:
            raise
        note = "the search was interrupted: fewer layers in float may do"
        kept = _kept(best.float_layers, groups, cost)
        return Found(kept, _sorted(curve), best.drop_points, (note,), interrupted=True)


def _ranked_search(
    layers: Sequence[str],
    groups: Mapping[str, list[str]],
    drop_of: DropOf,
    max_drop: float,
    *,
    cost: dict[str, float],
    curve: list[CurvePoint],
    on_step: Callable[[str], None],
    budget_s: float,
) -> Found:
    """Rank, take as many groups as are needed, and prune; `cost` and `curve` are filled on the way.

    Args:
        cost: points lost with one group in int8, by its name.
    """
    deadline = time.monotonic() + budget_s
    for name, members in groups.items():
        others = [layer for layer in layers if layer not in members]
        cost[name] = drop_of(others) if time.monotonic() < deadline else 0.0
    notes = [] if time.monotonic() < deadline else [f"not all layers were ranked within {budget_s:g} s"]
    ranked = sorted(groups, key=lambda name: -cost[name])

    def in_float(count: int) -> list[str]:
        return [layer for name in ranked[:count] for layer in groups[name]]

    def measured(count: int) -> float:
        on_step(f"{len(in_float(count))} layers in float")
        curve.append(CurvePoint(len(in_float(count)), drop_of(in_float(count))))
        return curve[-1].drop_points

    low, high = 0, 1  # groups in float: too few, and enough
    while (drop := measured(min(high, len(ranked)))) > max_drop and high < len(ranked):
        low, high = high, 2 * high
    high = min(high, len(ranked))
    while high - low > 1:
        middle = (low + high) // 2
        lost = measured(middle)
        if lost <= max_drop:
            high, drop = middle, lost
        else:
            low = middle
    needed, drop = _prune(in_float(high), drop_of, max_drop, drop, time.monotonic() + budget_s)
    if len(needed) < len(in_float(high)):
        curve.append(CurvePoint(len(needed), drop))
    return Found(_kept(needed, groups, cost), _sorted(curve), drop, tuple(notes))


def _kept(
    layers: Sequence[str], groups: Mapping[str, list[str]], cost: Mapping[str, float]
) -> tuple[Kept, ...]:
    group_of = {layer: name for name, group in groups.items() for layer in group}

    def reason(group: str) -> str:
        if group not in cost:
            return "not ranked before the search was interrupted"
        return f"{group} alone in int8 costs {cost[group]:.2f} points"

    return tuple(Kept(layer, reason(group_of[layer])) for layer in layers)


def _sorted(curve: Sequence[CurvePoint]) -> tuple[CurvePoint, ...]:
    return tuple(sorted(curve, key=lambda point: point.float_layers))


def _estimate(groups: int, layers: int, seconds_each: float, budget_s: float) -> str:
    """Say how long a search takes: one candidate a group, some to find how many, and one a layer at most."""
    few = groups * seconds_each
    most = min(few, budget_s) + 2 * groups.bit_length() * seconds_each
    most += min(layers * seconds_each, budget_s)
    return f"about {min(few, budget_s):.0f} s, and {most:.0f} s at most for all"


def group_layers(layers: Sequence[str], most: int = MOST_GROUPS) -> dict[str, list[str]]:
    """Group layers by the beginning of their dotted names, as long a one as gives at most `most` groups."""
    depth = max((name.count(".") + 1 for name in layers), default=1)
    while True:
        groups: dict[str, list[str]] = defaultdict(list)
        for name in layers:
            groups[".".join(name.split(".")[:depth])].append(name)
        if len(groups) <= most or depth == 1:
            return dict(groups)
        depth -= 1


def _prune(
    layers: Sequence[str], drop_of: DropOf, max_drop: float, drop: float, deadline: float
) -> tuple[list[str], float]:
    """Take back layers one by one, the last first, as long as the drop stays allowed."""
    needed = list(layers)
    for layer in reversed(layers):
        if len(needed) == 1 or time.monotonic() > deadline:
            break
        fewer = [name for name in needed if name != layer]
        lost = drop_of(fewer)
        if lost <= max_drop:
            needed, drop = fewer, lost
    return needed, drop

"""Find the fewest layers that must stay in float so that int8 costs the task no more than is allowed."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from edgeseg.graph.precision.report import CurvePoint, Kept

MOST_GROUPS = 24  # that are measured one by one; layers of one block share a group where there are more
BUDGET_S = 240.0  # for ranking, and again for taking layers back; between them a result comes first

DropOf = Callable[[Collection[str]], float]
"""Points lost with these layers in float and all others in int8."""

InFloat = Callable[[Collection[str]], Collection[str]]
"""All layers that compute in float once these are left in float: a backend may need pairs in int8."""


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Attributes:
        float_layers: to leave in float, the most sensitive first; all, if no layer may compute in int8.
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

    def __init__(self, layers: Sequence[str], drop_of: DropOf, max_drop: float, in_float: InFloat) -> None:
        self.layers = layers
        self.max_drop = max_drop
        self.float_layers: list[str] | None = None
        self.drop_points = 0.0
        self._drop_of = drop_of
        self._in_float = in_float
        self._fewest = len(layers)

    def __call__(self, float_layers: Collection[str]) -> float:
        lost = self._drop_of(float_layers)
        count = self.count(float_layers)
        if lost <= self.max_drop and count < self._fewest:
            self.float_layers, self.drop_points, self._fewest = list(float_layers), lost, count
        return lost

    def count(self, float_layers: Collection[str]) -> int:
        """Count the layers that compute in float with these left in float."""
        return len(self._in_float(float_layers))

    def has_int8(self, float_layers: Collection[str]) -> bool:
        """Whether any layer computes in int8 with these left in float."""
        return self.count(float_layers) < len(self.layers)


def search(
    layers: Sequence[str],
    drop_of: DropOf,
    max_drop: float,
    *,
    in_float: InFloat = frozenset,
    on_step: Callable[[str], None] = lambda step: None,
    budget_s: float = BUDGET_S,
    seconds_each: float = 0.0,
) -> Found:
    """Leave layers in float, the most sensitive first, until the drop is allowed; then take back what can be.

    Sensitivity is measured in groups: what a group costs when it alone is in int8. How many groups are enough
    is then found by doubling their number, and by halving the last step. If a group alone is too much, single
    layers are tried: only where each of them is too much, nothing computes in int8.

    Args:
        layers: names of those that would compute in int8, in the order of the graph.
        drop_of: measures.
        max_drop: points.
        in_float: what else stays in float.
        on_step: told what is measured.
        budget_s: time after which the ranking, and then taking back, stop where they are. What leads to the
            first candidate that is allowed is not cut short.
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
    best = _Best(layers, drop_of, max_drop, in_float)
    why: dict[str, str] = {}
    notes: list[str] = []
    order = list(layers)  # by what they cost, once that is known
    interrupted = False
    try:
        ranked = _rank(groups, best, drop, why, time.monotonic() + budget_s)
        if len(why) < len(groups):
            notes.append(f"not all layers were ranked within {budget_s:g} s")
        order = [layer for name in ranked for layer in groups[name]]
        _fewest_groups([groups[name] for name in ranked], best, curve, on_step)
        if best.float_layers is None:
            on_step(f"no group of layers alone is allowed: trying {len(layers)} layers one by one")
            _first_layer([layer for name in reversed(ranked) for layer in groups[name]], best)
        if best.float_layers is not None and not _take_back(order, best, time.monotonic() + budget_s):
            notes.append(f"not all float layers were tried in int8 again within {budget_s:g} s")
    except KeyboardInterrupt:
        if best.float_layers is None:
            raise
        interrupted = True
        notes = ["the search was interrupted: fewer layers in float may do"]
    if best.float_layers is None:
        return Found(_kept(layers, groups, why), _sorted(curve), 0.0, tuple(notes))
    if best.count(best.float_layers) not in {point.float_layers for point in curve}:
        curve.append(CurvePoint(best.count(best.float_layers), best.drop_points))
    kept = _kept([layer for layer in order if layer in best.float_layers], groups, why)
    return Found(kept, _sorted(curve), best.drop_points, tuple(notes), interrupted)


def _rank(
    groups: Mapping[str, list[str]], best: _Best, drop: float, why: dict[str, str], deadline: float
) -> list[str]:
    """Order the names of groups by what each costs, the most sensitive first, and say in `why` what it does.

    What was not ranked in time may cost anything and comes first. Where a group cannot compute in int8 alone,
    what it saves in float stands for what it costs.

    Args:
        drop: points lost with all in int8.
    """
    cost: dict[str, float] = {}
    for name, members in groups.items():
        if time.monotonic() >= deadline:
            break
        others = [layer for layer in best.layers if layer not in members]
        if best.has_int8(others):
            cost[name] = best(others)
            why[name] = f"{name} alone in int8 costs {cost[name]:.2f} points"
        else:
            cost[name] = drop - best(members)
            why[name] = f"{name} in float saves {cost[name]:.2f} points"
    return sorted(groups, key=lambda name: -cost.get(name, math.inf))


def _fewest_groups(
    ranked: Sequence[list[str]], best: _Best, curve: list[CurvePoint], on_step: Callable[[str], None]
) -> None:
    """Find how many groups must be in float, the first ones, by doubling and halving; not all of them."""

    def allowed(count: int) -> bool:
        float_layers = [layer for group in ranked[:count] for layer in group]
        on_step(f"{len(float_layers)} layers in float")
        curve.append(CurvePoint(best.count(float_layers), best(float_layers)))
        return curve[-1].drop_points <= best.max_drop

    last = len(ranked) - 1
    low, high = 0, 1  # groups in float: too few, and enough
    while high < last and not allowed(high):
        low, high = high, min(2 * high, last)
    if high >= last and (last < 1 or not allowed(last)):
        return
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if allowed(middle) else (middle, high)


def _first_layer(layers: Sequence[str], best: _Best) -> None:
    """Try single layers in int8, or as many as a backend needs together, until one is allowed."""
    for first in range(len(layers)):
        for end in range(first + 1, len(layers) + 1):
            others = [*layers[:first], *layers[end:]]
            if best.has_int8(others):
                best(others)
                break
        if best.float_layers is not None:
            return


def _take_back(order: Sequence[str], best: _Best, deadline: float) -> bool:
    """Try float layers in int8 again one by one, the last first; False if there was no time for all."""
    needed = [layer for layer in order if layer in (best.float_layers or ())]
    for layer in reversed(tuple(needed)):
        fewer = [name for name in needed if name != layer]
        if best.count(fewer) == best.count(needed):  # stays in float, until others are taken back, too
            needed = fewer
            continue
        if time.monotonic() > deadline:
            return False
        if best(fewer) <= best.max_drop:
            needed = fewer
    return True


def _kept(layers: Sequence[str], groups: Mapping[str, list[str]], why: Mapping[str, str]) -> tuple[Kept, ...]:
    group_of = {layer: name for name, group in groups.items() for layer in group}
    unranked = "not ranked before the search was cut short"
    return tuple(Kept(layer, why.get(group_of[layer], unranked)) for layer in layers)


def _sorted(curve: Sequence[CurvePoint]) -> tuple[CurvePoint, ...]:
    return tuple(sorted(curve, key=lambda point: point.float_layers))


def _estimate(groups: int, layers: int, seconds_each: float, budget_s: float) -> str:
    """Say how long a search takes: one candidate a group, some to find how many, and one a layer at most."""
    few = min(groups * seconds_each, budget_s)
    most = few + (2 * groups.bit_length() + layers) * seconds_each
    return f"about {few:.0f} s, and {most:.0f} s at most for all"


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

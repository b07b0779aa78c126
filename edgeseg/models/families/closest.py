"""Turn weights that no family recognises into the closest families, and the names that differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgeseg.errors import name_a_few
from edgeseg.models.families.family import Family, Source

SHOWN = 3  # families
LEAST = 0.1  # of closeness, from 0 to 1, to be named at all
OWN_FUNCTION = (
    "a network that no family has is exported by a function of your own that returns it: "
    "edgeseg export file.py:function --weights FILE"
)


@dataclass(frozen=True)
class Closeness:
    """How far weights are from an architecture, by their names alone.

    Attributes:
        model: `family:architecture`.
        share: of names and of the architecture's parts that have their counterpart, 0 to 1.
        foreign: names that are no part of the architecture.
        lacking: parts of the architecture that the weights do not have.
    """

    model: str
    share: float
    foreign: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def differences(self) -> str:
        """Say how close, and which names differ."""
        parts = [
            f"without {name_a_few(list(self.lacking))}" if self.lacking else "",
            f"with {name_a_few(list(self.foreign))} besides" if self.foreign else "",
        ]
        return f"{self.share:.0%}; {', '.join(filter(None, parts)) or 'by its names'}"

    def __str__(self) -> str:
        return f"{self.model} ({self.differences})"


def closest(source: Source, families: Sequence[Family]) -> list[Closeness]:
    """Compare weights with every architecture; the closest first, at most three."""
    found = [
        _closeness(f"{family.name}:{architecture}", layout, source)
        for family in families
        for architecture, layout in family.layouts.items()
    ]
    near = sorted((one for one in found if one.share >= LEAST), key=lambda one: -one.share)
    return near[:SHOWN]


def describe_closest(source: Source, families: Sequence[Family]) -> str:
    """Say which families are closest, and the way to export what is none of them."""
    near = closest(source, families)
    begin = f"closest are {'; '.join(map(str, near))}; " if near else "no family is near; "
    return begin + OWN_FUNCTION


def _closeness(model: str, layout: Sequence[str], source: Source) -> Closeness:
    patterns = {text: re.compile(text) for text in layout}
    foreign = [name for name in source.weights if not any(p.match(name) for p in patterns.values())]
    lacking = [text for text, p in patterns.items() if not any(p.match(name) for name in source.weights)]
    own = 1 - len(foreign) / max(1, len(source.weights))
    there = 1 - len(lacking) / max(1, len(patterns))
    readable = tuple(text.replace("\\", "") for text in lacking)
    return Closeness(model, own * there, tuple(foreign), readable)

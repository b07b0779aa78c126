"""Measure what each choice of ranges, weights and float layers loses, once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from edgeseg.graph.precision.cache import Cache
from edgeseg.spec import CalibrationMethod


@dataclass(frozen=True)
class Form:
    """How values become int8.

    Attributes:
        method: that turns magnitudes into ranges.
        narrow: whether weights are such that no two products overflow 16 bits; see `weights`.
    """

    method: CalibrationMethod
    narrow: bool


Measure = Callable[[Form, Collection[str]], float]
"""Points lost by a candidate in a form, with these layers in float."""


class Trials:
    """Candidates of int8 and their losses.

    Args:
        measure: a candidate.
        cache: keeps what was measured.
        key: of the cache, for what all candidates have in common.

    Attributes:
        seconds: that the slowest candidate took.
    """

    def __init__(self, measure: Measure, cache: Cache, key: str) -> None:
        self.seconds = 0.0
        self._measure = measure
        self._cache = cache
        self._key = key
        self._known = cache.get(key)

    def points_lost(self, form: Form, float_layers: Collection[str]) -> float:
        """Measure a candidate, or remember it."""
        words = (form.method, str(form.narrow), *sorted(float_layers))
        name = hashlib.sha256("\n".join(words).encode()).hexdigest()
        if name not in self._known:
            start = time.monotonic()
            self._known[name] = self._measure(form, float_layers)
            self.seconds = max(self.seconds, time.monotonic() - start)
            self._cache.add(self._key, {name: self._known[name]})
        return self._known[name]

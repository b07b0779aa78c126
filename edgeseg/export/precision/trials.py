"""Turn choices of ranges and float layers into what each loses, measured once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection

from edgeseg.export.precision.cache import Cache
from edgeseg.spec import CalibrationMethod

Measure = Callable[[CalibrationMethod, Collection[str]], float]
"""Points lost by a candidate with the ranges of a method and with these layers in float."""


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

    def points_lost(self, method: CalibrationMethod, float_layers: Collection[str]) -> float:
        """Measure a candidate, or remember it."""
        name = hashlib.sha256("\n".join((method, *sorted(float_layers))).encode()).hexdigest()
        if name not in self._known:
            start = time.monotonic()
            self._known[name] = self._measure(method, float_layers)
            self.seconds = max(self.seconds, time.monotonic() - start)
            self._cache.add(self._key, {name: self._known[name]})
        return self._known[name]

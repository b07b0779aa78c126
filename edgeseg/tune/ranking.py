"""Rank engines, each in every way in which it may be opened, by what was timed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import Manifest
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.tune.entrants import Entrant
from edgeseg.tune.latency import Latency, latency_of
from edgeseg.tune.making import segmenting
from edgeseg.tune.pareto import front
from edgeseg.tune.report import BYTES_PER_MB, Candidate, Verdict
from edgeseg.tune.timing import Timed

SHOWN_DIGITS = 2  # of points: engines that differ less lose the same


@dataclass(frozen=True)
class Way:
    """An engine, opened in one way."""

    entrant: Entrant
    manifest: Manifest

    def open(self) -> AbstractContextManager[Segmenter]:
        """Open it for frames."""
        return segmenting(self.entrant.made.folder, self.manifest)


@dataclass(frozen=True)
class Ranking:
    """Engines in all ways of opening them.

    Attributes:
        ways: by a name of their own.
        fp32_points: accuracy of the fp32 model.
        max_drop: points that may be lost.
    """

    models: Sequence[PortableModel]
    ways: Mapping[str, Way]
    fp32_points: float
    max_drop: float

    @classmethod
    def of(
        cls,
        models: Sequence[PortableModel],
        entrants: Sequence[Entrant],
        fp32_points: float,
        max_drop: float,
    ) -> Ranking:
        """Take all ways of opening engines."""
        ways = {
            f"{number}.{place}": Way(entrant, entrant.made.manifest_with(options))
            for number, entrant in enumerate(entrants)
            for place, options in enumerate(entrant.made.options)
        }
        return cls(models, ways, fp32_points, max_drop)

    @property
    def accurate(self) -> frozenset[str]:
        """Names of those that lose no more than they may, in points as they are shown."""
        return frozenset(name for name, way in self.ways.items() if self.drop(way) <= self.max_drop)

    def drop(self, way: Way) -> float:
        """Give the points that an engine loses against the fp32 model."""
        return round(self.fp32_points - way.entrant.points, SHOWN_DIGITS) + 0.0  # no minus before a 0

    @property
    def plain(self) -> frozenset[str]:
        """Names of those that `build` gives: opened in the way that measured fastest when each was built."""
        return frozenset(
            name for name, way in self.ways.items() if way.manifest.options == way.entrant.made.options[0]
        )

    def order(self, timed: Timed) -> list[str]:
        """Name those that may be kept, the best first; see `halving`."""
        names = [name for name in self._timed(timed) if name in self.accurate]
        alive = [name for name in timed.alive if name in names]
        rest = [name for name in names if name not in alive]
        return [*alive, *sorted(rest, key=lambda name: latency_of(timed, name, (alive or rest)[0]).ms)]

    def candidates(self, timed: Timed, kept: str) -> tuple[Candidate, ...]:
        """Give one entry an engine, in its fastest way (that which is kept, of its engine), fastest first."""
        latencies = {name: latency_of(timed, name, kept) for name in self._timed(timed)}
        best = self._best_ways(latencies, kept)
        on_front = front([self._figures(name, latencies[name]) for name in best])
        rows = [
            self._candidate(name, latencies[name], kept, starred)
            for name, starred in zip(best, on_front, strict=True)
        ]
        return tuple(sorted(rows, key=lambda one: one.latency_ms))

    def _timed(self, timed: Timed) -> list[str]:
        return [name for name in self.ways if any(name in one for one in timed.rounds)]

    def _best_ways(self, latencies: Mapping[str, Latency], kept: str) -> list[str]:
        ranked = sorted(latencies, key=lambda name: (name != kept, latencies[name].ms))
        best = {id(self.ways[name].entrant): name for name in reversed(ranked)}
        return list(best.values())

    def _figures(self, name: str, latency: Latency) -> Sequence[float]:
        entrant = self.ways[name].entrant
        lost, memory = max(self.drop(self.ways[name]), 0.0), float(entrant.memory_bytes or 0)
        return latency.ms, lost, float(entrant.made.size_bytes), memory

    def _candidate(self, name: str, latency: Latency, kept: str, on_front: bool) -> Candidate:
        way = self.ways[name]
        made, spec = way.entrant.made, way.manifest.spec
        memory = way.entrant.memory_bytes
        return Candidate(
            model=Path(self.models[made.plan.model].name).name,
            size_hw=(spec.input.height, spec.input.width),
            backend=way.manifest.backend,
            backend_version=way.manifest.backend_version,
            device=way.manifest.device,
            precision=way.manifest.precision,
            passes=tuple(way.manifest.passes),
            options=dict(way.manifest.options),
            tried={name: way.manifest.options[name] for name in made.varied},
            latency_ms=latency.ms,
            interval_ms=latency.interval_ms,
            rounds=latency.rounds,
            accuracy=way.entrant.points,
            drop_points=self.drop(way),
            size_mb=made.size_bytes / BYTES_PER_MB,
            memory_mb=None if memory is None else memory / BYTES_PER_MB,
            on_front=on_front,
            verdict=self._verdict(name, latency, kept),
        )

    def _verdict(self, name: str, latency: Latency, kept: str) -> Verdict:
        if name == kept:
            return "kept"
        if name not in self.accurate:
            return "loses too much"
        return "slower" if latency.is_slower else "as fast within noise"

"""Put what was measured of an engine together into the report of a profile."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from edgeseg.machine import this_machine
from edgeseg.manifest import Manifest
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.memory import gpu_bytes, peak_bytes
from edgeseg.runtime.profiling.report import AS_IT_IS, FrameSettings, Profile, Scenario
from edgeseg.runtime.profiling.scenarios import Run
from edgeseg.runtime.profiling.statistics import PERCENTILES, Distribution, distribution, samples_needed
from edgeseg.runtime.profiling.timing import MS_PER_S
from edgeseg.runtime.profiling.trust import reasons_for_doubt
from edgeseg.runtime.profiling.watch import Watch
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.steps import Steps

BYTES_PER_MB = 1 << 20


class Profiled(Steps, Protocol):
    """A segmenter that knows the engine it runs."""

    @property
    def manifest(self) -> Manifest:
        """The engine's manifest."""


@dataclass(frozen=True)
class Opened:
    """How an engine was opened, for the report.

    Attributes:
        load_ms: how long it took; None where nobody measured it.
        engine: name of its folder.
        device: where it runs; None stands for where it was built for.
        threads: per inference; None where the engine's own number is used.
        frames: what its segmenter does beside it.
    """

    load_ms: float | None = None
    engine: str = ""
    device: str | None = None
    threads: int | None = None
    frames: FrameSettings = AS_IT_IS


UNKNOWN = Opened()


def now() -> str:
    """Give the time in UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def report_of(
    segmenter: Profiled,
    run: Run,
    alone: Run,
    *,
    scenario: Scenario,
    meaning: dict[str, str],
    captured_first_s: float,
    sources: Sequence[Source],
    kept: Sequence[Frame],
    distinct: int | None,
    drops: int,
    streams: int,
    opened: Opened,
    started_at: str,
    watch: Watch,
    watch_alone: Watch | None = None,
) -> Profile:
    """Put together what was measured, and what it was measured on.

    Args:
        run: from capture to result.
        alone: inference alone.
        captured_first_s: of the first frame, if `run` does not hold it.
        sources: all cameras, or the recording.
        kept: frames of it that were used.
        watch: beside `run`.
        watch_alone: beside `alone`, where that was a loop of its own.
    """
    manifest = segmenter.manifest
    source = sources[0]
    sizes_hw: set[tuple[int, int]] = {frame.image.shape[:2] for frame in kept}
    first_ms = MS_PER_S * (captured_first_s + run.first_s)
    samples_ms = {
        "latency_ms": _in_ms(run.latencies_s),
        "infer_ms": _in_ms(alone.latencies_s),
        **({"sink_ms": _in_ms(run.to_sink_s)} if run.to_sink_s else {}),
    }
    device = opened.device or manifest.device
    held = gpu_bytes(device)
    report = Profile(
        scenario=scenario,
        meaning={name: text for name, text in meaning.items() if name in samples_ms},
        latency_ms=distribution(samples_ms["latency_ms"]),
        infer_ms=distribution(samples_ms["infer_ms"]),
        sink_ms=distribution(samples_ms["sink_ms"]) if run.to_sink_s else None,
        stages=_stages(run),
        samples_needed={name: samples_needed(percent) for name, percent in PERCENTILES.items()},
        samples_ms=samples_ms,
        timeline=run.timeline,
        throughput_fps=len(run.latencies_s) / run.seconds,
        load_ms=opened.load_ms,
        first_result_ms=None if opened.load_ms is None else opened.load_ms + first_ms,
        peak_rss_mb=peak_bytes() / BYTES_PER_MB,
        gpu_memory_mb=None if held is None else held / BYTES_PER_MB,
        engine=opened.engine,
        backend=manifest.backend,
        backend_version=manifest.backend_version,
        device=device,
        precision=manifest.precision,
        model_sha256=manifest.model_sha256,
        threads=opened.threads,
        frames=opened.frames,
        batch=segmenter.spec.input.batch,
        streams=streams,
        source=source.name,
        live=source.live,
        frame_hw=kept[0].image.shape[:2],
        sizes_hw=tuple(sorted(sizes_hw, key=lambda size_hw: (math.prod(size_hw), size_hw))),
        skipped=tuple(dict.fromkeys(line for each in sources for line in each.skipped)),
        distinct_frames=distinct,
        drops=drops,
        warmup=run.warmup,
        started_at=started_at,
        machine=this_machine(),
        surroundings=watch.surroundings(),
        surroundings_of={} if watch_alone is None else {"infer_ms": watch_alone.surroundings()},
        energy=watch.energy(),
    )
    return dataclasses.replace(report, warnings=reasons_for_doubt(report))


def _stages(run: Run) -> dict[str, Distribution]:
    return {name: distribution(_in_ms(durations)) for name, durations in run.stages_s.items()}


def _in_ms(durations_s: Sequence[float]) -> tuple[float, ...]:
    return tuple(MS_PER_S * duration_s for duration_s in durations_s)

"""What a profile says: the dataclass that `edgeseg profile --json` writes, and reads again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from edgeseg.errors import SpecError, UsageError, shown
from edgeseg.machine import Machine
from edgeseg.reading import parse_json, read_text, reading
from edgeseg.records import Range, from_json_value, to_json_value
from edgeseg.runtime.profiling.energy import Energy
from edgeseg.runtime.profiling.layers import LayerProfile
from edgeseg.runtime.profiling.statistics import Distribution
from edgeseg.runtime.profiling.surroundings import Surroundings

PROFILE_VERSION = 1
PROFILE_AGAIN = "write it with edgeseg profile --json"
ALWAYS_MEASURED = ("latency_ms", "infer_ms")  # spans that every profile has samples of
COMPARISON_FIELDS = {"profiles", "pairs"}

DurationMs = Annotated[float, Range(0, 1e12, above=True)]
Scenario = Literal["single-stream", "multi-stream", "offline"]


@dataclass(frozen=True)
class Warmup:
    """What was computed first and not counted.

    Attributes:
        frames: how many, in the capture-to-result loop.
        seconds: that they took.
        steady: whether durations had become steady by then; None where the number of frames was given.
    """

    frames: int
    seconds: float
    steady: bool | None


@dataclass(frozen=True)
class StageSpan:
    """One stage of one frame, in milliseconds from the beginning of the timeline."""

    stage: str
    start_ms: float
    duration_ms: float


@dataclass(frozen=True)
class FrameTimeline:
    """When the stages of one frame began, and how long they took.

    Attributes:
        stream: number of the camera from 0; 0 where there is one.
        frame: number of the frame within its stream, counted from the first that was measured.
        spans: in the order in which they began.
    """

    stream: int
    frame: int
    spans: tuple[StageSpan, ...]


@dataclass(frozen=True)
class FrameSettings:
    """What was done with frames beside running the engine on each as a whole.

    Attributes:
        tiles: that frames were cut into, `auto` or columns x rows such as `3x2`; None where they were not.
        tile_overlap: least overlap of neighbouring tiles, as a fraction of a tile; None without tiles.
        crf_threads: of the CRF; None without one.
        crf_budget_ms: that the CRF was to keep to, of a frame; None without one.
    """

    tiles: str | None = None
    tile_overlap: float | None = None
    crf_threads: int | None = None
    crf_budget_ms: float | None = None


AS_IT_IS = FrameSettings()


@dataclass(frozen=True)
class Profile:
    """Latencies of one engine on one source, warm-up excluded.

    Attributes:
        scenario: how frames come, in the sense of MLPerf Inference: `single-stream`, the next one when the
            result of the last stands; `multi-stream`, `streams` cameras that share the engine;
            `offline`, all are there, as many at once as the engine takes.
        meaning: of `latency_ms`, `infer_ms` and `sink_ms` by their names: where it begins and where it ends,
            in words.
        latency_ms: capture to result.
        infer_ms: the engine alone, in a loop of its own.
        sink_ms: capture to sink; None where results went nowhere.
        stages: durations of each stage by its name, in the order of a frame.
        samples_needed: how many samples p50, p90 and p99 need each, as MLPerf counts.
        samples_ms: all durations behind `latency_ms`, `infer_ms` and `sink_ms` by their names, in the order
            in which they were measured, in milliseconds.
        timeline: the stages of the first frames that were measured.
        throughput_fps: results a second of the capture-to-result loop; a live source bounds it by its rate.
        load_ms: opening the engine; None where the caller did not measure it.
        first_result_ms: from the beginning of the opening to the first result, the first frame's capture
            included; None where `load_ms` is.
        peak_rss_mb: most memory the process, and one that its backend computes in, has held so far, in MiB.
        gpu_memory_mb: that the engine's device holds for this process, in MiB; None where no library tells.
        engine: name of the engine's folder; empty where there is none.
        threads: CPU threads per inference; None where the backend decides.
        frames: how they were cut, and labels refined.
        batch: images that the engine takes at once.
        streams: cameras at the same time; 1 but for `multi-stream`.
        frame_hw: height and width of the (first) frame in pixels.
        distinct_frames: how many different frames were used; None for a live source.
        drops: frames of live sources that came while others were in work.
        started_at: UTC, ISO 8601.
        on: the device that it was taken on, as `--on` named it; None for this machine.
        warnings: one line for each reason to trust the figures less.
        surroundings: what went on beside the loop from capture to result; None where it was not watched.
        surroundings_of: what went on beside the rest, by its name: `infer_ms`, inference alone in a loop of
            its own; `layers`, ceilings included, whose own stand in `layers`.
        sizes_hw: height and width of the frames that were used, each size once, the smallest first; empty
            where they are not known.
        skipped: one line for each input, or part of one, that could not be read.
        layers: time by layer; None where it was not asked for.
        energy: that the run took; None where the machine does not tell.
    """

    scenario: Scenario
    meaning: Mapping[str, str]
    latency_ms: Distribution
    infer_ms: Distribution
    sink_ms: Distribution | None
    stages: Mapping[str, Distribution]
    samples_needed: Mapping[str, int]
    samples_ms: Mapping[str, tuple[DurationMs, ...]]
    timeline: tuple[FrameTimeline, ...]
    throughput_fps: float
    load_ms: float | None
    first_result_ms: float | None
    peak_rss_mb: float
    gpu_memory_mb: float | None
    engine: str
    backend: str
    backend_version: str
    device: str
    precision: str
    model_sha256: str
    threads: int | None
    batch: int
    streams: int
    source: str
    live: bool
    frame_hw: tuple[int, int]
    distinct_frames: int | None
    drops: int
    warmup: Warmup
    started_at: str
    machine: Machine
    on: str | None = None
    frames: FrameSettings = AS_IT_IS
    warnings: tuple[str, ...] = ()
    surroundings: Surroundings | None = None
    surroundings_of: Mapping[str, Surroundings] = field(default_factory=dict)
    sizes_hw: tuple[tuple[int, int], ...] = ()
    skipped: tuple[str, ...] = ()
    layers: LayerProfile | None = None
    energy: Energy | None = None
    schema_version: Annotated[int, Range(PROFILE_VERSION, PROFILE_VERSION)] = PROFILE_VERSION

    @property
    def size(self) -> str:
        """Give width x height of the frames, such as `640x480`; of several sizes the smallest and largest."""
        sizes = [f"{width}x{height}" for height, width in self.sizes_hw or (self.frame_hw,)]
        return sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"

    @property
    def watched(self) -> dict[str, Surroundings]:
        """Give all that was watched, by what was measured meanwhile: `latency_ms`, `infer_ms` and so on."""
        found = {} if self.surroundings is None else {"latency_ms": self.surroundings}
        found |= self.surroundings_of
        ceilings = None if self.layers is None else self.layers.ceilings
        if ceilings is not None and ceilings.surroundings is not None:
            found["ceilings"] = ceilings.surroundings
        return found

    def to_json_value(self) -> dict[str, Any]:
        """Give the report as dicts, lists and scalars, ready for JSON."""
        value: dict[str, Any] = to_json_value(self)
        return value

    @classmethod
    def from_json_value(cls, value: Any, *, where: str = "") -> Profile:
        """Build a report from what `json.loads` returned.

        Raises:
            SpecError: naming the field that is missing, unknown, of the wrong type or out of its range, or
                another version.
        """
        if isinstance(value, Mapping) and set(value) >= COMPARISON_FIELDS:
            raise SpecError(
                f"{where or 'it'} is a comparison of several engines, and one engine's profile is wanted"
            )
        version = value.get("schema_version") if isinstance(value, Mapping) else None
        if isinstance(value, Mapping) and version != PROFILE_VERSION:
            raise SpecError(
                f"{where or 'a profile'} has schema version {shown(version)}, "
                f"this edgeseg reads {PROFILE_VERSION}"
            )
        report = from_json_value(cls, value, where=where)
        for name in ALWAYS_MEASURED:
            if not report.samples_ms.get(name):
                raise SpecError(f"{f'{where}.' if where else ''}samples_ms.{name} holds no samples")
        return report


def read_profile(path: Path) -> Profile:
    """Read a report that `edgeseg profile --json` wrote.

    Raises:
        UsageError: if the file cannot be read, or holds something else.
    """
    with reading(path, UsageError, what="a profile", fix=PROFILE_AGAIN):
        parsed = parse_json(read_text(path, UsageError), UsageError, str(path))
    try:
        return Profile.from_json_value(parsed)
    except SpecError as error:
        raise UsageError(f"{path} is not a profile: {error}; {PROFILE_AGAIN}") from error

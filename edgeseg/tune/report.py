"""Say what a tuning found of each engine, and why one was kept; that engine carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from edgeseg.errors import EngineError, SpecError
from edgeseg.machine import Machine
from edgeseg.manifest import BUILD_AGAIN, TUNING_NAME, Manifest, read_file
from edgeseg.reading import parse_json, reading
from edgeseg.records import Range, Ranged, from_json_value, to_json_value
from edgeseg.spec import Precision

TUNING_VERSION = 1
BYTES_PER_MB = 1 << 20

Verdict = Literal["kept", "as fast within noise", "slower", "loses too much"]


@dataclass(frozen=True)
class Candidate:
    """An engine that was made and timed, opened in the way in which it is fastest.

    Attributes:
        model: the portable model's file name.
        size_hw: of its input, in pixels.
        passes: that changed its graph, by their titles.
        options: in which it is opened.
        tried: those of them that were tried in several values, such as threads.
        latency_ms: a frame to its result in the frame's own pixels; comparable, see `latency`.
        interval_ms: that it lies in, with 95 percent; None where too few rounds can say.
        rounds: in which it was timed; those that are clearly slower have few.
        accuracy: points 0..100; see `Tuning.accuracy_of`.
        drop_points: that it loses against the fp32 model; below 0 where it is better.
        size_mb: of its files, in MiB.
        memory_mb: most memory of a process that runs it alone, Python included, in MiB; None if not measured.
        on_front: no other is as good in latency, accuracy, size and memory, and better in one.
    """

    model: str
    size_hw: tuple[int, int]
    backend: str
    backend_version: str
    device: str
    precision: Precision
    passes: tuple[str, ...]
    options: Mapping[str, Any]
    tried: Mapping[str, Any]
    latency_ms: float
    interval_ms: tuple[float, float] | None
    rounds: int
    accuracy: float
    drop_points: float
    size_mb: float
    memory_mb: float | None
    on_front: bool
    verdict: Verdict

    @property
    def name(self) -> str:
        """Backend, precision, and what else tells it from others."""
        parts = [self.backend, self.precision]
        if self.device != "cpu":
            parts.append(self.device)
        if self.passes:
            parts.append("passes")
        return " ".join(parts)


@dataclass(frozen=True)
class LeftOut:
    """An engine that was not made, or not measured.

    Attributes:
        reason: why.
    """

    model: str
    backend: str
    device: str
    precision: Precision
    passes: bool
    reason: str


@dataclass(frozen=True)
class Tuning(Ranged):
    """What a tuning found.

    Attributes:
        accuracy_of: what accuracy is: the figure, and against what.
        fp32_accuracy: of the fp32 model in ONNX Runtime, in points; 100 where it is the truth itself.
        max_drop: points that the engine was allowed to lose.
        images: on which accuracy was measured.
        frame_hw: height and width of the first frame that was timed, in pixels.
        candidates: the fastest first.
        refused: engines that cannot be made, or run, or take more memory than they may.
        not_tried: engines for which there was no time.
        complete: whether all were tried, and timed until no further round would tell more.
        seconds: that this run took; what an earlier one left was not done again.
        budget_s: that it was given; None for no limit.
        started_at: UTC, ISO 8601.
        notes: what a reader must know.
    """

    accuracy_of: str
    fp32_accuracy: float
    max_drop: float
    images: int
    frame_hw: tuple[int, int]
    candidates: tuple[Candidate, ...]
    refused: tuple[LeftOut, ...]
    not_tried: tuple[LeftOut, ...]
    complete: bool
    seconds: float
    budget_s: float | None
    started_at: str
    machine: Machine
    notes: tuple[str, ...] = ()
    schema_version: Annotated[int, Range(TUNING_VERSION, TUNING_VERSION)] = TUNING_VERSION

    @property
    def kept(self) -> Candidate:
        """The engine that was kept."""
        return next(one for one in self.candidates if one.verdict == "kept")

    def to_json(self) -> str:
        """Write as JSON; see `read_tuning`."""
        return json.dumps(to_json_value(self), indent=2, sort_keys=True) + "\n"


def read_tuning(folder: Path, manifest: Manifest) -> Tuning | None:
    """Read what an engine says of the tuning that kept it; None if there was none. Raises EngineError."""
    if TUNING_NAME not in manifest.files:
        return None
    with reading(folder / TUNING_NAME, EngineError, what="the report of a tuning", fix=BUILD_AGAIN):
        parsed = parse_json(read_file(folder, manifest, TUNING_NAME), EngineError, TUNING_NAME)
    try:
        return from_json_value(Tuning, parsed, where=TUNING_NAME)
    except SpecError as error:
        raise EngineError(
            f"{folder / TUNING_NAME} is no report of a tuning: {error}; {BUILD_AGAIN}"
        ) from error

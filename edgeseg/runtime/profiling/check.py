"""Compare a profile with a baseline that was measured before: is the engine slower, beyond noise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import BaselineError, UsageError
from edgeseg.machine import Machine
from edgeseg.manifest import Manifest
from edgeseg.runtime.profiling.ratios import MIN_SAMPLES, Ratio, unpaired_ratio
from edgeseg.runtime.profiling.report import FrameSettings, Profile
from edgeseg.runtime.profiling.statistics import COVERAGE

SPANS = {"capture to result": "latency_ms", "inference alone": "infer_ms"}
OUTSIDE_LATENCY = ("capture", "render", "sink")  # stages that capture to result does not hold


@dataclass(frozen=True)
class Slowdown:
    """How much longer a span takes than in the baseline.

    Attributes:
        span: in words, one of SPANS.
        ratio: of the medians, now by then.
        disturbed: what disturbed either measurement of this span.
    """

    span: str
    ratio: Ratio
    disturbed: tuple[str, ...] = ()

    @property
    def percent(self) -> float:
        """By how much longer, in percent; negative where it is faster."""
        return 100 * (self.ratio.value - 1)

    @property
    def least_percent(self) -> float:
        """By how much longer at least, if noise is all that speaks against it."""
        return 100 * (self.ratio.low - 1)

    @property
    def most_percent(self) -> float:
        """By how much longer at most: what noise could hide."""
        return 100 * (self.ratio.high - 1)

    def __str__(self) -> str:
        interval = f"{self.least_percent:+.1f} to {self.most_percent:+.1f} %"
        disturbed = f", disturbed: {', '.join(self.disturbed)}" if self.disturbed else ""
        return f"{self.span} takes {self.percent:+.1f} % ({interval}){disturbed}"


def slowdowns(report: Profile, baseline: Profile) -> tuple[Slowdown, ...]:
    """Compare both spans. Raises UsageError if there are too few samples."""
    coverage = 1 - (1 - COVERAGE) / len(SPANS)
    refuse_few(report, "this profile")
    refuse_few(baseline, "the baseline")
    return tuple(
        Slowdown(
            span,
            unpaired_ratio(baseline.samples_ms[name], report.samples_ms[name], coverage=coverage),
            (*_disturbed(report, name, "now"), *_disturbed(baseline, name, "in the baseline")),
        )
        for span, name in SPANS.items()
    )


def refuse_few(report: Profile, which: str) -> None:
    """Raise UsageError if a profile, named `which`, has too few samples to be compared."""
    fewest = min(len(report.samples_ms.get(name, ())) for name in SPANS.values())
    if fewest < MIN_SAMPLES:
        raise UsageError(f"{which} has {fewest} samples, {MIN_SAMPLES} are needed; measure with --frames 100")


def refuse_few_frames(frames: int) -> None:
    """Raise UsageError if so many frames, which are to be measured, are too few to be compared."""
    if frames < MIN_SAMPLES:
        raise UsageError(f"a comparison takes {MIN_SAMPLES} frames at least, got {frames}; add --frames 100")


def refuse_regression(found: Sequence[Slowdown], max_percent: float) -> None:
    """Raise BaselineError for what takes longer than it may, beyond noise."""
    if slower := [each for each in found if each.least_percent > max_percent]:
        again = "; measure again when the machine is quiet" if any(each.disturbed for each in slower) else ""
        raise BaselineError(
            f"slower than the baseline: {', '.join(map(str, slower))}; {max_percent:g} % are allowed{again}"
        )


def verdict(found: Sequence[Slowdown], max_percent: float) -> str:
    """Say in one line what samples tell of an engine that `refuse_regression` lets pass."""
    spans = ", ".join(map(str, found))
    if all(each.most_percent <= max_percent for each in found):
        return f"not slower than the baseline by more than {max_percent:g} %: {spans}"
    return (
        f"no slowdown of more than {max_percent:g} % beyond noise, but the interval does not exclude one: "
        f"{spans}; measure again when the machine is quiet, or with more --frames"
    )


def circumstances(report: Profile) -> dict[str, object]:
    """Name what a profile was taken of and on; profiles in which any of it differs are not compared."""
    return {
        **_of_machine(report.machine),
        "model": report.model_sha256[:12],
        "backend": report.backend,
        "device": report.device,
        "precision": report.precision,
        "threads": report.threads,
        **_of_frames(report.frames),
        "scenario": report.scenario,
        "cameras": report.streams,
        "source": resolved(report.source),
        "frame": report.size,
        "stages": ", ".join(name for name in report.stages if name not in OUTSIDE_LATENCY),
    }


def foreseen(
    *,
    scenario: str,
    streams: int,
    manifest: Manifest | None = None,
    device: str | None = None,
    threads: int | None = None,
    machine: Machine | None = None,
    frames: FrameSettings,
    source: str | None = None,
) -> dict[str, object]:
    """Name as many of the `circumstances` as are known before anything is measured.

    Args:
        manifest: of the engine; None where it is built later.
        device, threads: that are asked for; None as the engine has it.
        frames: how they are to be cut, and labels refined.
        machine, source: None where they are not known yet.
    """
    known = {} if machine is None else _of_machine(machine)
    if manifest is not None:
        known |= {
            "model": manifest.model_sha256[:12],
            "backend": manifest.backend,
            "device": device or manifest.device,
            "precision": manifest.precision,
        }
    known |= {"threads": threads, **_of_frames(frames), "scenario": scenario, "cameras": streams}
    if source is not None:
        known["source"] = resolved(source)
    return known


def refuse_other(now: Mapping[str, object], baseline: Profile) -> None:
    """Raise UsageError if the baseline is of another machine, engine or way of measuring.

    Args:
        now: `circumstances` of the profile, or those of them that are `foreseen`.
    """
    then = circumstances(baseline)
    other = [f"{name} {then[name]}, now {value}" for name, value in now.items() if value != then[name]]
    if other:
        raise UsageError(
            f"the baseline is of something else: {'; '.join(other)}; measure a new one with --json, "
            "or add --check-anyway"
        )


def resolved(source: str) -> str:
    """Give the one name of a source that is a file or folder here; all else has but one."""
    try:
        path = Path(source)
        return str(path.resolve()) if path.exists() else source
    except (OSError, ValueError, RuntimeError):
        return source


def _disturbed(report: Profile, name: str, when: str) -> tuple[str, ...]:
    seen = report.watched.get(name)
    return () if seen is None else tuple(f"{when} {each.text}" for each in seen.disturbances)


def _of_frames(frames: FrameSettings) -> dict[str, object]:
    return {
        "tiles": frames.tiles,
        "overlap of tiles": frames.tile_overlap,
        "threads of the CRF": frames.crf_threads,
        "milliseconds for the CRF": frames.crf_budget_ms,
    }


def _of_machine(machine: Machine) -> dict[str, object]:
    return {"processor": machine.cpu, "cores": machine.logical_cores}

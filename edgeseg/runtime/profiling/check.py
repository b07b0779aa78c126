"""Compare a profile with a baseline that was measured before: is the engine slower, beyond noise?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeseg.errors import BaselineError
from edgeseg.runtime.profiling.ratios import MIN_SAMPLES, Ratio, unpaired_ratio
from edgeseg.runtime.profiling.report import Profile
from edgeseg.runtime.profiling.statistics import COVERAGE

SPANS = {"capture to result": "latency_ms", "inference alone": "infer_ms"}


@dataclass(frozen=True)
class Slowdown:
    """How much longer a span takes than in the baseline.

    Attributes:
        span: in words, one of SPANS.
        ratio: of the medians, now by then.
    """

    span: str
    ratio: Ratio

    @property
    def percent(self) -> float:
        """By how much longer, in percent; negative where it is faster."""
        return 100 * (self.ratio.value - 1)

    @property
    def least_percent(self) -> float:
        """By how much longer at least, if noise is all that speaks against it."""
        return 100 * (self.ratio.low - 1)

    def __str__(self) -> str:
        low, high = (100 * (end - 1) for end in (self.ratio.low, self.ratio.high))
        return f"{self.span} takes {self.percent:+.1f} % ({low:+.1f} to {high:+.1f} %)"


def slowdowns(report: Profile, baseline: Profile) -> tuple[Slowdown, ...]:
    """Compare both spans. Raises BaselineError if there are too few samples."""
    coverage = 1 - (1 - COVERAGE) / len(SPANS)
    for which, each in (("this profile", report), ("the baseline", baseline)):
        fewest = min(len(each.samples_ms[name]) for name in SPANS.values())
        if fewest < MIN_SAMPLES:
            raise BaselineError(
                f"{which} has {fewest} samples, {MIN_SAMPLES} are needed; measure with --frames 100"
            )
    return tuple(
        Slowdown(span, unpaired_ratio(baseline.samples_ms[name], report.samples_ms[name], coverage=coverage))
        for span, name in SPANS.items()
    )


def refuse_regression(found: Sequence[Slowdown], max_percent: float) -> None:
    """Raise BaselineError for what takes longer than it may, beyond noise."""
    if slower := [each for each in found if each.least_percent > max_percent]:
        raise BaselineError(
            f"slower than the baseline: {', '.join(map(str, slower))}; {max_percent:g} % are allowed"
        )


def refuse_other(report: Profile, baseline: Profile) -> None:
    """Raise BaselineError if the baseline is of another machine, engine or way of measuring."""
    pairs = {
        "processor": (report.machine.cpu, baseline.machine.cpu),
        "cores": (report.machine.logical_cores, baseline.machine.logical_cores),
        "model": (report.model_sha256[:12], baseline.model_sha256[:12]),
        "backend": (report.backend, baseline.backend),
        "device": (report.device, baseline.device),
        "precision": (report.precision, baseline.precision),
        "threads": (report.threads, baseline.threads),
        "scenario": (report.scenario, baseline.scenario),
        "cameras": (report.streams, baseline.streams),
        "source": (report.source, baseline.source),
        "frame": (_size(report), _size(baseline)),
    }
    other = [f"{name} {then}, now {now}" for name, (now, then) in pairs.items() if now != then]
    if other:
        raise BaselineError(
            f"the baseline is of something else: {'; '.join(other)}; measure a new one with --json, "
            "or add --check-anyway"
        )


def _size(report: Profile) -> str:
    height, width = report.frame_hw
    return f"{width}x{height}"

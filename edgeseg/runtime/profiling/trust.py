"""Say for what reasons the figures of a profile are to be trusted less."""

from __future__ import annotations

from edgeseg.runtime.profiling.report import Profile
from edgeseg.runtime.profiling.statistics import PERCENTILES
from edgeseg.runtime.profiling.warmup import MOST_S

MEANWHILE = {
    "latency_ms": "the run was disturbed:",
    "infer_ms": "while inference alone was timed,",
    "layers": "while layers were timed, ceilings included,",
    "ceilings": "while the ceilings were measured,",
}  # parts of a profile -> how a line begins that says what disturbed it


def reasons_for_doubt(report: Profile) -> tuple[str, ...]:
    """Give one line for each: too few samples, a warm-up without an end, a disturbed run."""
    return (*_too_few(report), *_not_steady(report), *_disturbed(report))


def doubts(report: Profile) -> tuple[str, ...]:
    """Give all lines of a report that a reader should know before its figures: what was skipped, warnings."""
    return (*(f"skipped: {line}" for line in report.skipped), *report.warnings)


def _too_few(report: Profile) -> list[str]:
    spans = {"capture to result": report.latency_ms, "inference alone": report.infer_ms}
    if report.sink_ms is not None:
        spans["capture to sink"] = report.sink_ms
    fewest = min(span.samples for span in spans.values())
    short = [name for name in PERCENTILES if fewest < report.samples_needed[name]]
    if not short:
        return []
    needs = ", ".join(f"{name} needs {report.samples_needed[name]}" for name in short)
    most = max(report.samples_needed[name] for name in short)
    return [f"{fewest} samples are too few: {needs} by MLPerf's count; add --frames {most}"]


def _not_steady(report: Profile) -> list[str]:
    if report.warmup.steady is not False:
        return []
    return [
        f"durations had not become steady after {report.warmup.frames} frames and {MOST_S:.0f} s of warm-up; "
        "the machine is busy or its clock changes"
    ]


def _disturbed(report: Profile) -> list[str]:
    return [
        f"{MEANWHILE[part]} {each.text}"
        for part, seen in report.watched.items()
        for each in seen.disturbances
    ]

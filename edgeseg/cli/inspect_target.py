"""Say what a target will refuse of an .onnx file, and how to mend it, in lines that a person reads."""

from __future__ import annotations

from pathlib import Path

import click

from edgeseg.errors import UsageError, one_line
from edgeseg.spec import Precision
from edgeseg.targets.findings import TargetReport
from edgeseg.targets.registry import target_of

SUFFIX = ".onnx"
HEADS = {"refused": "refused", "moved": "elsewhere", "noted": "note"}
_MIB = 1 << 20


def inspect_for(path: Path, target: str, precision: Precision | None = None) -> TargetReport:
    """Examine any .onnx file for a target.

    Raises:
        UsageError: if the file has another ending.
        ExportError: if it is no ONNX file.
    """
    from edgeseg.targets.examine import examine

    if path.suffix != SUFFIX:
        raise UsageError(f"--target is for {SUFFIX} files, not for {path}")
    return examine(path, target_of(target), precision)


def print_report(report: TargetReport) -> None:
    """Print a line a finding, the command that mends it below, and at the end what holds for all graphs."""
    precision = f" in {report.precision}" if report.precision else ""
    click.echo(one_line(f"{report.model} for {report.title}{precision}"))
    for finding in report.findings:
        click.echo(f"{HEADS[finding.kind]}: {finding}")
        if finding.command is not None:
            click.echo(one_line(f"    {finding.command}"))
    for note in report.notes:
        click.echo(f"note: {note}")
    if report.accelerated is not None:
        click.echo(f"{report.accelerated:.0%} of the multiplications can run there")
    if report.memory_bytes is not None:
        click.echo(f"weights and tensors take {report.memory_bytes / _MIB:.1f} MiB")
    click.echo(f"{report.target} refuses {report.refused or 'nothing'}; known from {report.proof}")

"""Refuse, before any work, an output that would destroy what a command reads, or that cannot be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from edgeseg.errors import UsageError
from edgeseg.files import check_whole

NOTHING: Mapping[str, Sequence[Path]] = {}


def check_model_output(output: Path, reads: Iterable[Path | None]) -> None:
    """Look at the portable model that is to be written.

    Args:
        reads: files that go into it; None where an option was not given.

    Raises:
        UsageError: if `output` is a folder, does not end in `.onnx`, or is one of these files.
    """
    if output.is_dir():
        raise UsageError(f"-o {output} is a folder; give the file to write: -o {output / 'model.onnx'}")
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output} must end in .onnx; write -o {output.with_suffix('.onnx')}")
    _refuse_what_is_read("-o", output, reads)


def check_reports(
    reports: Mapping[str, Path | None],
    *,
    engines: Sequence[Path] = (),
    reads: Iterable[Path | None] = (),
    beside: Mapping[str, Sequence[Path]] = NOTHING,
) -> None:
    """Look at all reports that a command is to write; None and `-`, the standard output, are fine.

    Args:
        reports: by the option that names each, which is also what it is written as, such as `--json`.
        engines: folders of the engines in use, or that are made.
        reads: files and folders in use; None where an option was not given.
        beside: what the command writes besides, by its option, and has looked at itself.

    Raises:
        UsageError: if two outputs are one file; or a report is a folder, lies within an engine, or is what is
            read, or part of it.
        SinkError: if it cannot be written.
    """
    files = {option: path for option, path in reports.items() if path is not None and str(path) != "-"}
    read = [path for path in reads if path is not None]
    named = [*files.items(), *((option, path) for option, paths in beside.items() for path in paths)]
    for (option, path), (other, its) in combinations(named, 2):
        if path.resolve() == its.resolve():
            raise UsageError(f"{option} and {other} are both {path}; give each a file of its own")
    for option, path in named:
        _refuse_what_is_read(option, path, read)
    for option, path in files.items():
        _check_report(option, path, engines)


def _check_report(option: str, path: Path, engines: Sequence[Path]) -> None:
    if path.is_dir():
        name = path / f"report.{option.removeprefix('--')}"
        raise UsageError(f"{option} {path} is a folder; give the file to write: {option} {name}")
    for engine in engines:
        if engine.resolve() in path.resolve().parents:
            raise UsageError(
                f"{option} {path} lies within the engine {engine}, which stays as built; write elsewhere"
            )
    check_whole(path)


def _refuse_what_is_read(option: str, output: Path, reads: Iterable[Path | None]) -> None:
    """Raise UsageError for one of the files, or for what lies in one of the folders and is no old report."""
    if not output.is_file():
        return
    is_report = output.suffix == f".{option.removeprefix('--')}"
    for read in reads:
        if read is None or not read.exists():
            continue
        within = read.is_dir() and read.resolve() in output.resolve().parents
        if output.samefile(read) or (within and not is_report):
            raise UsageError(
                f"{option} {output} is read by this command and would be overwritten; write elsewhere"
            )

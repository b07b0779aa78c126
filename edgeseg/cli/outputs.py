"""Refuse, before any work, an output that would destroy what a command reads, or that cannot be written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgeseg.errors import UsageError
from edgeseg.files import check_whole


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


def check_report(
    path: Path | None, *, engine: Path | None = None, reads: Iterable[Path] = (), option: str = "--json"
) -> None:
    """Look at the report that is to be written; None and `-`, the standard output, are fine.

    Args:
        engine: the folder of the engine in use.
        reads: files in use.
        option: that names it, which is also what it is written as.

    Raises:
        UsageError: if `path` is a folder, lies within the engine, or is one of these files.
        SinkError: if it cannot be written.
    """
    if path is None or str(path) == "-":
        return
    if path.is_dir():
        name = path / f"report.{option.removeprefix('--')}"
        raise UsageError(f"{option} {path} is a folder; give the file to write: {option} {name}")
    if engine is not None and engine.resolve() in path.resolve().parents:
        raise UsageError(
            f"{option} {path} lies within the engine {engine}, which stays as built; write elsewhere"
        )
    _refuse_what_is_read(option, path, reads)
    check_whole(path)


def _refuse_what_is_read(option: str, output: Path, reads: Iterable[Path | None]) -> None:
    for read in reads:
        if read is not None and output.exists() and read.exists() and output.samefile(read):
            raise UsageError(
                f"{option} {output} is read by this command and would be overwritten; write elsewhere"
            )

"""Keep what a batch reads apart from what it writes: its own results, and its engine."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath

from edgeseg.batch.found import SUFFIXES, Archive, find
from edgeseg.batch.parts import FOLDERS
from edgeseg.batch.piece import File
from edgeseg.batch.places import Place, Stored, check_can_hold
from edgeseg.errors import UsageError


def check_output(output: Place, engine: Path) -> None:
    """Look at where results are to go, and change nothing.

    Raises:
        UsageError: if it lies within the engine.
        SinkError: if it cannot be written.
    """
    if isinstance(output, Path) and engine.resolve() in (output.resolve(), *output.resolve().parents):
        raise UsageError(f"-o {output} lies within the engine, which stays as built; write elsewhere")
    check_can_hold(output)


def find_outside(patterns: Sequence[str], output: Place, suffixes: frozenset[str] = SUFFIXES) -> Archive:
    """Find the files of an archive, each once, without those that a batch writes into `output`.

    A file that two patterns find is named from the higher folder. Paths are absolute.

    Args:
        patterns, suffixes: see `found.find`.

    Raises:
        SourceError: if a pattern finds nothing.
        UsageError: if one is empty, two files would have the same name, or nothing but results is found.
    """
    if not all(patterns):
        raise UsageError("an INPUT is empty; is a shell variable unset? The working folder is written .")
    own = {_real(_plain(output / name)) for name in FOLDERS}

    @functools.cache
    def holds_results(folder: PurePath) -> bool:
        real = _real(folder)
        return not own.isdisjoint((real, *real.parents))

    archive = find(patterns, suffixes, lambda place: holds_results(_plain(place).parent))
    if not archive.files:
        raise UsageError(f"all that was found are results in {output}; write elsewhere, or give other files")
    files = [
        dataclasses.replace(file, path=file.path if isinstance(file.path, Stored) else file.path.absolute())
        for file in archive.files
    ]
    return dataclasses.replace(archive, files=_each_once(files) if len(patterns) > 1 else files)


def _plain(place: Place) -> PurePath:
    """Give the path, or what tells places of stores from each other in the form of a path."""
    return place if isinstance(place, Path) else PurePosixPath(str(place))


def _real(path: PurePath) -> PurePath:
    """Follow the links of a path of this machine."""
    return Path(os.path.realpath(path)) if isinstance(path, Path) else path


def _each_once(files: Sequence[File]) -> list[File]:
    """Give files in their order, of those that are the same the one with the longest name."""
    folder_of = functools.cache(os.path.realpath)
    named: dict[object, File] = {}
    for file in files:
        path = file.path
        same = path if isinstance(path, Stored) else (folder_of(path.parent), path.name)
        if len(file.name) > len(named.setdefault(same, file).name):
            named[same] = file
    chosen = {file.name for file in named.values()}
    return [file for file in files if file.name in chosen]

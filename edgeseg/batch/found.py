"""Turn folders, files and patterns such as `videos/**` into the files of an archive."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.batch.piece import File
from edgeseg.errors import SourceError, UsageError, name_a_few
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES, natural_key

VIDEO_SUFFIXES = frozenset(
    (".avi", ".flv", ".h264", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
     ".mts", ".mxf", ".ts", ".webm", ".wmv")
)  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """What there is to segment.

    Attributes:
        files: in natural order of their names.
        left_out: how many files are neither pictures nor videos by their names.
    """

    files: Sequence[File]
    left_out: int


def find(patterns: Sequence[str], suffixes: frozenset[str] = IMAGE_SUFFIXES | VIDEO_SUFFIXES) -> Archive:
    """Find the files of an archive.

    Args:
        patterns: files, folders, which are searched with all below them, and patterns of `glob` (`**` is any
            number of folders).
        suffixes: of files that are taken from folders and patterns; a file that is named is taken anyway.

    Raises:
        SourceError: if one of them finds nothing.
        UsageError: if two files would have the same name in the results.
    """
    files: dict[str, File] = {}
    left_out = 0
    for pattern in patterns:
        there = False
        for path, root, named in _matches(pattern):
            if not named and path.suffix.lower() not in suffixes:
                left_out += 1
                continue
            there = True
            found = _file(path, root)
            if files.setdefault(found.name, found).path.resolve() != path.resolve():
                raise UsageError(
                    f"{files[found.name].path} and {path} would both be {found.name} in the results; give a "
                    "folder that holds both"
                )
        if not there:
            raise SourceError(
                f"{pattern} finds no picture and no video (by their names: "
                f"{name_a_few(sorted(suffixes))}); is it in quotes, and right from this folder?"
            )
    return Archive(sorted(files.values(), key=_order), left_out)


def _matches(pattern: str) -> Iterator[tuple[Path, Path, bool]]:
    """Give paths of files, the folder that each is named from, and whether the user named it itself."""
    place = Path(pattern)
    if place.is_dir():
        yield from ((path, place, False) for path in _below(place))
    elif place.exists():
        yield place, place.parent, True
    else:
        root = _fixed_part(pattern)
        taken: set[Path] = set()
        for text in sorted(glob.glob(pattern, recursive=True)):
            path = Path(text)
            for one in _below(path) if path.is_dir() and not pattern.endswith("**") else (path,):
                if one.is_file() and one not in taken:
                    taken.add(one)
                    yield one, root, False


def _below(folder: Path) -> Iterator[Path]:
    """Give all files below a folder but hidden ones."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _fixed_part(pattern: str) -> Path:
    """Give the folder that a pattern names before its first wildcard."""
    parts = Path(pattern).parts
    fixed = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:fixed])


def _file(path: Path, root: Path) -> File:
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return File(path, path.relative_to(root).as_posix(), size, status.st_mtime_ns)


def _order(file: File) -> tuple[tuple[str, ...], object]:
    path = Path(file.name)
    return path.parent.parts, natural_key(path)

"""Turn folders, files and patterns such as `videos/**`, also of stores, into the files of an archive."""

from __future__ import annotations

import glob
import itertools
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.batch.parts import PARTS, TIMES
from edgeseg.batch.piece import KEY_DIGITS, File
from edgeseg.batch.places import Place, Stored, listed, place_of
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.shards import SHARD_SUFFIXES
from edgeseg.errors import SourceError, UsageError, name_a_few
from edgeseg.extras import require
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES, natural_key

VIDEO_SUFFIXES = frozenset(
    (".avi", ".flv", ".h264", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
     ".mts", ".mxf", ".ts", ".webm", ".wmv")
)  # fmt: skip
SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES | SHARD_SUFFIXES
OWN = re.compile(rf"(.*/)?({PARTS}|{TIMES})/[0-9a-f]{{{KEY_DIGITS}}}\.parquet")  # what a batch writes


@dataclass(frozen=True)
class Archive:
    """What there is to segment.

    Attributes:
        files: in natural order of their names.
        left_out: how many files are neither pictures nor videos nor shards by their names.
    """

    files: Sequence[File]
    left_out: int


def find(patterns: Sequence[str], suffixes: frozenset[str] = SUFFIXES) -> Archive:
    """Find the files of an archive.

    Args:
        patterns: files, folders, which are searched with all below them, and patterns of `glob` (`**` is any
            number of folders); of this machine, or of a store by its address, such as `s3://bucket/videos/**`.
        suffixes: of files that are taken from folders and patterns; a file that is named is taken anyway.

    Raises:
        SourceError: if one of them finds nothing.
        UsageError: if two files would have the same name in the results.
    """
    files: dict[str, File] = {}
    left_out = 0
    for pattern in patterns:
        there = False
        for found, named in _matches(pattern):
            if not named and (found.path.suffix.lower() not in suffixes or OWN.fullmatch(str(found.path))):
                left_out += 1
                continue
            there = True
            if not _same(files.setdefault(found.name, found).path, found.path):
                raise UsageError(
                    f"{files[found.name].path} and {found.path} would both be {found.name} in the results; "
                    "give a folder that holds both"
                )
        if not there:
            raise SourceError(
                f"{_shown(pattern)} finds no picture, no video and no shard (by their names: "
                f"{name_a_few(sorted(suffixes))}); is it in quotes, and right from this folder?"
            )
    return Archive(sorted(files.values(), key=_order), left_out)


def _matches(pattern: str) -> Iterator[tuple[File, bool]]:
    """Give files, and whether the user named each itself."""
    place = place_of(pattern)
    if isinstance(place, Stored):
        yield from _in_store(place)
    elif place.is_dir():
        yield from ((_file(path, place), False) for path in _below(place))
    elif place.exists():
        yield _file(place, place.parent), True
    else:
        root = _fixed_part(place)
        taken: set[Path] = set()
        for text in sorted(glob.glob(str(place), recursive=True)):
            path = Path(text)
            for one in _below(path) if path.is_dir() and place.name != "**" else (path,):
                if one.is_file() and one not in taken:
                    taken.add(one)
                    yield _file(one, root), False


def _in_store(place: Stored) -> Iterator[tuple[File, bool]]:
    """Give the files of a store that a file, a folder or a pattern names; a folder stands for all below."""
    fixed = place.path
    if glob.has_magic(fixed):
        fixed = "/".join(itertools.takewhile(lambda part: not glob.has_magic(part), fixed.split("/")))
    translated = require("fsspec.utils", EXTRA).glob_translate(place.path)
    wanted = re.compile(translated.removesuffix(r"\Z").removesuffix(r"\z") + r"(/.*)?\Z")
    for found, size, modified_ns in listed(Stored(place.store, fixed)):
        named = found == place
        name = found.name if named else found.path.removeprefix(fixed).lstrip("/")
        hidden = any(part.startswith(".") for part in name.split("/"))
        if named or (not hidden and (fixed == place.path or wanted.match(found.path))):
            yield File(found, name, size, modified_ns), named


def _same(one: Place, other: Place) -> bool:
    if isinstance(one, Stored) or isinstance(other, Stored):
        return one == other
    return one.resolve() == other.resolve()


def _shown(pattern: str) -> str:
    place = place_of(pattern)
    return str(place) if isinstance(place, Stored) else pattern


def _below(folder: Path) -> Iterator[Path]:
    """Give all files below a folder but hidden ones."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _fixed_part(pattern: Path) -> Path:
    """Give the folder that a pattern names before its first wildcard."""
    parts = pattern.parts
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

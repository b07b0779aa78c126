"""Turn folders, files and patterns such as `videos/**`, also of stores, into the files of an archive."""

from __future__ import annotations

import codecs
import errno
import glob
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.batch.names import as_text
from edgeseg.batch.parts import PART_NAME, PARTS, TIMES
from edgeseg.batch.piece import File
from edgeseg.batch.places import Place, Stored, listed, place_of
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.shards import SHARD_SUFFIXES
from edgeseg.batch.tree import ANY_DEPTH, Tree
from edgeseg.errors import SourceError, UsageError, name_a_few
from edgeseg.extras import require
from edgeseg.runtime.sources.arrays import ARRAY_SUFFIXES
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES, natural_key
from edgeseg.spec import InputSpec

VIDEO_SUFFIXES = frozenset(
    (".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".ivf",
     ".m1v", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
     ".mxf", ".nut", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv", ".y4m")
)  # fmt: skip
SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES | SHARD_SUFFIXES
TYPESCRIPT = ".ts"  # or an MPEG transport stream, which is no text
SEEN_BYTES = 1 << 12  # of such a file, by which it is told
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
HOST = re.compile(r"[a-z0-9+.-]+://[^/]*")  # of paths that begin so; one such as [::1] is no pattern
OWN = re.compile(rf"(.*/)?({PARTS}|{TIMES})/{PART_NAME}")  # what a batch writes


def suffixes_for(taken: InputSpec) -> frozenset[str]:
    """Name the suffixes of files that a network takes: pictures and videos, or arrays; and shards."""
    return SUFFIXES if taken.takes_camera_frames else ARRAY_SUFFIXES | SHARD_SUFFIXES


@dataclass(frozen=True)
class Archive:
    """What there is to segment.

    Attributes:
        files: in natural order of their names.
        left_out: how many files are neither pictures nor videos nor shards by their names.
        unlisted: a line for each folder that cannot be listed, and why.
    """

    files: Sequence[File]
    left_out: int
    unlisted: Sequence[str] = ()


@dataclass(frozen=True)
class _Found:
    """A file that a pattern finds.

    Attributes:
        name: what it is called in results.
        named: the pattern is its own path, so that it is taken whatever its suffix.
        file: all of it, where its size and time came with its name; else None.
    """

    place: Place
    name: str
    named: bool = False
    file: File | None = None


def find(
    patterns: Sequence[str],
    suffixes: frozenset[str] = SUFFIXES,
    is_own: Callable[[Place], bool] = lambda place: False,
) -> Archive:
    """Find the files of an archive.

    Links are followed, but for those that lead back to a folder that they lie in. A link to a file that is
    not there is a file that cannot be read, which is no reason to stop.

    Args:
        patterns: files, folders, which are searched with all below them, and patterns of `glob` (`**` is any
            number of folders); of this machine, or of a store by its address, such as `s3://bucket/videos/**`.
        suffixes: of files that are taken from folders and patterns; a file that is named is taken anyway.
        is_own: tells what is a result and none of the archive's files.

    Raises:
        SourceError: if one of them finds nothing, not even results.
        UsageError: if two files would have the same name in the results.
    """
    files: dict[str, File] = {}
    left_out = 0
    unlisted: dict[str, None] = {}
    for pattern in patterns:
        there = any_file = False
        tree = Tree()
        for found in _matches(pattern, tree):
            any_file = True
            if is_own(found.place):
                there = True
                continue
            if not found.named and not _is_taken(found.place, suffixes):
                left_out += 1
                continue
            there = True
            file = found.file or _file(found.place, found.name)
            if not _same(files.setdefault(file.name, file).path, file.path):
                raise UsageError(
                    f"{files[file.name].path} and {file.path} would both be {file.name} in the results; "
                    "give a folder that holds both"
                )
        unlisted.update(dict.fromkeys(tree.unlisted))
        if not there:
            sought = f"picture, no video and no shard (by their names: {name_a_few(sorted(suffixes))})"
            reason = f" ({tree.unlisted[0]})" if tree.unlisted else ""
            raise SourceError(
                f"{_shown(pattern)} finds no {sought if any_file else 'file'}{reason}; is it in quotes, and "
                "right from this folder?"
            )
    return Archive(sorted(files.values(), key=_order), left_out, tuple(unlisted))


def _matches(pattern: str, tree: Tree) -> Iterator[_Found]:
    """Give what a pattern finds, whatever its name."""
    place = place_of(pattern)
    if isinstance(place, Stored):
        yield from _in_store(place)
        return
    try:
        status = place.stat()
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise SourceError(f"cannot read {place}: {error.strerror or error}") from error
        if place.is_symlink():
            yield _Found(place, _below(place, place.parent), named=True)
            return
        root = _fixed_part(place)
        parts = place.parts[len(root.parts) :]
        yield from (_Found(path, _below(path, root)) for path in dict.fromkeys(tree.matching(root, parts)))
        return
    if stat.S_ISDIR(status.st_mode):
        yield from (_Found(path, _below(path, place)) for path in tree.matching(place, (ANY_DEPTH,)))
    elif stat.S_ISREG(status.st_mode):
        yield _Found(place, _below(place, place.parent), named=True)
    else:
        raise SourceError(f"{place} is no file and no folder (a pipe?); save its content as a file first")


def _is_taken(place: Place, suffixes: frozenset[str]) -> bool:
    """Tell by its name whether a file is of an archive; of one that may be TypeScript, by its beginning."""
    suffix = place.suffix.lower()
    if suffix not in suffixes or OWN.fullmatch(str(place)):
        return False
    return suffix != TYPESCRIPT or not isinstance(place, Path) or not _is_text(place)


def _is_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            data = file.read(SEEN_BYTES)
    except OSError:
        return False
    text = codecs.getincrementaldecoder("utf-8")(errors="replace").decode(data)
    return bool(text) and not any(char in text for char in "\0\ufffd")


def _in_store(place: Stored) -> Iterator[_Found]:
    """Give the files of a store that a file, a folder or a pattern names; a folder stands for all below."""
    host = found[0] if (found := HOST.match(place.path)) else ""
    pattern = place.path.removeprefix(host)
    fixed = place.path
    if glob.has_magic(pattern):
        plain = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.split("/"))
        fixed = host + "/".join(plain)
    translated = require("fsspec.utils", EXTRA).glob_translate(pattern)
    wanted = re.compile(translated.removesuffix(r"\Z").removesuffix(r"\z") + r"(/.*)?\Z")
    for one, size, modified_ns in listed(Stored(place.store, fixed)):
        named = one == place
        name = one.name if named else one.path.removeprefix(fixed).lstrip("/")
        hidden = any(part.startswith(".") for part in name.split("/"))
        if named or (not hidden and (fixed == place.path or wanted.match(one.path.removeprefix(host)))):
            file = File(one, as_text(name), size, modified_ns)
            yield _Found(one, file.name, named, file)


def _same(one: Place, other: Place) -> bool:
    if one is other or isinstance(one, Stored) or isinstance(other, Stored):
        return one == other
    return os.path.realpath(one) == os.path.realpath(other)


def _shown(pattern: str) -> str:
    place = place_of(pattern)
    return str(place) if isinstance(place, Stored) else pattern


def _fixed_part(pattern: Path) -> Path:
    """Give the folder that a pattern names before its first wildcard."""
    parts = pattern.parts
    fixed = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:fixed])


def _below(path: Path, root: Path) -> str:
    return as_text(path.relative_to(root).as_posix())


def _file(place: Place, name: str) -> File:
    """Describe a file of this machine; one that cannot be read has no size, and reading says why."""
    assert isinstance(place, Path)
    try:
        status = place.stat()
    except OSError:
        return File(place, name, 0, 0)
    return File(place, name, status.st_size, status.st_mtime_ns)


def _order(file: File) -> tuple[tuple[str, ...], object]:
    path = Path(file.name)
    return path.parent.parts, natural_key(path)

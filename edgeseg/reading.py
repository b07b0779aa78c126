"""Read a regular file, opened once, or raise one error of the file's own kind.

What is no regular file, such as a pipe, a device or a folder, is refused and never waited for. What is
checked is what is read: size, kind, hash and content come from one descriptor.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from edgeseg import limits
from edgeseg.errors import EdgesegError
from edgeseg.limits import refuse_above

_CHUNK_BYTES = 1 << 20
_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns")  # of a file and its content
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


@contextmanager
def reading(
    path: object, error: type[EdgesegError], *, what: str, fix: str, missing: str | None = None
) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into `error`, one line about that file.

    Args:
        path: of the file, or what it is called in messages.
        what: the file should have been, such as `a manifest`.
        fix: what to do about a damaged one.
        missing: what to do where there is no such file.

    Raises:
        EdgesegError: `error`; those that the readers raise themselves pass.
        ImportError: if a reader is not installed, which is no fault of the file.
    """
    try:
        yield
    except (EdgesegError, ImportError):
        raise
    except OSError as problem:
        advice = f"; {missing}" if missing and isinstance(problem, FileNotFoundError) else ""
        raise error(f"{path} cannot be read: {problem.strerror or problem}{advice}") from problem
    except Exception as problem:  # bytes that nobody vouches for make parsers raise anything
        raise error(f"{path} is damaged or not {what} ({reason_of(problem)}); {fix}") from problem


def reason_of(problem: BaseException) -> str:
    """Give the first line of what an exception says, or its name where it says nothing."""
    first = next((line.strip() for line in str(problem).splitlines() if line.strip()), "")
    bare = isinstance(problem, (KeyError, IndexError, RecursionError, MemoryError, AttributeError))
    return f"{type(problem).__name__}: {first}".rstrip(": ") if bare or not first else first


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading, without waiting for anybody.

    Args:
        follow: go where a link leads; the links of parent folders are always followed.

    Raises:
        OSError: if it cannot be opened, or is something else: a folder, a pipe, a device, a socket, a link.
    """
    _refuse_irregular(os.stat(path, follow_symlinks=follow), path)  # opening a device may have an effect
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    )
    handle = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    try:
        _refuse_irregular(os.fstat(handle), path)  # another may have come in its place
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


@contextmanager
def unchanged(path: Path, error: type[EdgesegError]) -> Iterator[BinaryIO]:
    """Open a regular file that a library reads by its name meanwhile; that must have been the same file.

    Raises:
        EdgesegError: `error`, if another took its place, or it was written to.
        OSError: as `open_regular`.
    """
    with open_regular(path) as file:
        before = identity_of(os.fstat(file.fileno()))
        yield file
        if identity_of(os.stat(path)) != before:
            raise error(f"{path} was changed while it was read; try again")


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """Tell a file and its content from every other: two equal ones are of a file that was not written to."""
    return tuple(getattr(status, name) for name in _IDENTITY)


def read_bytes(path: Path, *, follow: bool = True) -> bytes:
    """Read a regular file whole. Raises OSError as `open_regular`."""
    with open_regular(path, follow=follow) as file:
        return file.read()


def read_text(path: Path, error: type[EdgesegError], *, follow: bool = True) -> str:
    """Read a UTF-8 text of a size that a text has, without the mark that Windows puts before it.

    Raises:
        EdgesegError: `error`, if it is larger than the limit of texts.
        OSError: as `open_regular`.
        ValueError: if it is not UTF-8.
    """
    with open_regular(path, follow=follow) as file:
        refuse_above("text", os.fstat(file.fileno()).st_size, str(path), error)
        return file.read().decode("utf-8-sig")


def parse_json(
    text: str | bytes | bytearray, error: type[EdgesegError], what: str, *, limit: limits.Name = "text"
) -> Any:
    """Read JSON as the standard has it: without NaN and infinities.

    Args:
        what: the text is, for messages: `the spec`.
        limit: of its size; texts that are data, such as annotations, have that of bytes.

    Raises:
        EdgesegError: `error`, if it is larger than the limit.
        ValueError: if it is not JSON, or nested too deep.
    """
    refuse_above(limit, len(text), what, error)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def refuse_zip_bomb(archive: zipfile.ZipFile, size: int, what: str, error: type[EdgesegError]) -> None:
    """Refuse an archive whose files would take far more bytes than it has; the reader then keeps to them.

    Args:
        size: of the archive, in bytes.

    Raises:
        EdgesegError: `error`, if they exceed it by more than the limit of bytes.
    """
    unpacked = sum(entry.file_size for entry in archive.infolist())
    refuse_above("bytes", unpacked - size, f"{what} unpacked", error)


def hash_of(file: BinaryIO) -> str:
    """Return the sha256 of an open file as hexadecimal digits; the file is at its start again afterwards."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _refuse_irregular(status: os.stat_result, path: Path) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a file", str(path))

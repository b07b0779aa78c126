"""Write files so that they are whole or absent, and find out beforehand whether that will go well."""

from __future__ import annotations

import os
from pathlib import Path

from edgeseg.errors import SinkError


def unwritable(path: Path, error: OSError) -> SinkError:
    """Say in one line why a path cannot be written."""
    return SinkError(f"cannot write {path}: {error.strerror or error}; choose another path or make room")


def make_folder(folder: Path) -> None:
    """Make a folder with its parents. Raises SinkError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def check_writable(path: Path) -> None:
    """Find out whether a file can be written, without changing it or leaving one. Raises SinkError."""
    if _is_special(path):
        return  # opening one and closing it again is not without effect
    target = path.resolve()
    exists = target.exists()
    try:
        target.open("ab").close()
        if not exists:
            target.unlink()
    except OSError as error:
        raise unwritable(path, error) from error


def check_whole(path: Path) -> None:
    """Find out whether `write_whole` can write a file, and make the folder for it. Raises SinkError."""
    make_folder(path.parent)
    check_writable(path)
    if not _is_special(path):
        check_writable(_staged(path))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file at once or not at all: beside its place first, then moved there. Raises SinkError.

    A link stays one; a pipe or a device is written as it is.
    """
    try:
        if _is_special(path):
            path.write_bytes(data)
            return
        staged = _staged(path)
        try:
            staged.write_bytes(data)
            staged.replace(path.resolve())
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def _is_special(path: Path) -> bool:
    """Whether it is there and no regular file: a pipe, a device, a folder."""
    return os.path.exists(path) and not os.path.isfile(path)  # unlike Path's, these raise nothing


def _staged(path: Path) -> Path:
    place = path.resolve()
    return place.with_name(f".{place.name}.part")

"""Tell addresses of stores, such as `s3://bucket/videos`, from paths; and read and write at either.

Stores are opened by pyarrow where it knows them itself (S3, Google Cloud Storage, HDFS, Azure), else by
fsspec.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from edgeseg.batch import fsspec_stores, native_stores
from edgeseg.batch.addresses import address_in
from edgeseg.batch.rows import EXTRA
from edgeseg.errors import EdgesegError, SinkError, SourceDownError, SourceError, UsageError, one_line
from edgeseg.extras import require
from edgeseg.files import check_folder, is_passing, make_folder, unwritable, write_whole

if TYPE_CHECKING:
    import pyarrow.fs

LOCAL = "file"
# A new object of these is there when it is whole, and not before; elsewhere it is moved to its place.
OBJECT_STORES = frozenset(("abfs", "abfss", "az", "gcs", "gs", "memory", "oci", "oss", "s3"))
ONLY_READ = frozenset(("data", "gist", "git", "github", "http", "https", "jlab"))  # of fsspec's
STAGED = ".part"
NO_FILE = ".none"  # whose name ends so
COPIED_BYTES = 1 << 22  # at a time


@dataclass(frozen=True)
class Stored:
    """A file or a folder in a store.

    Attributes:
        store: the address that opens it, with its options and whatever secrets are in these.
        path: in the store's own form, which begins with the bucket where there are buckets.
    """

    store: str
    path: str

    @property
    def scheme(self) -> str:
        """The store's kind, such as `s3`."""
        return self.store.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The name's, such as `.mp4`."""
        return PurePosixPath(self.path).suffix

    def __truediv__(self, name: str) -> Stored:
        return replace(self, path=f"{self.path.rstrip('/')}/{name}")

    def __str__(self) -> str:
        """Give the address without options and passwords."""
        return self.path if "://" in self.path else f"{self.scheme}://{self.path.lstrip('/')}"


Place = Path | Stored


def place_of(text: str | Path | Stored) -> Place:
    """Turn what a user gives into a path of this machine, or a place in a store.

    Raises:
        UsageError: if it is the address of a store that cannot be opened, or one within another.
        MissingExtraError: if pyarrow is not installed.
    """
    if not isinstance(text, str) or (address := address_in(text)) is None:
        return text if isinstance(text, Stored) else Path(text)
    if address.scheme == LOCAL:
        return Path(unquote(urlsplit(text).path))
    _, root = _opened(address.store)
    return Stored(address.store, root.rstrip("/") + address.path.rstrip("/"))


def listed(folder: Stored) -> Iterator[tuple[Stored, int, int]]:
    """Give all files at and below a place: each with its size in bytes, and its time in ns.

    Of a store that knows no times a number that changes with the file stands for it, 0 if it tells none.

    Raises:
        SourceError: if the store cannot be read.
    """
    try:
        found = list(_listed(folder))
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot list {folder}: {one_line(str(error))}") from error
    for path, size, stamp in found:
        yield replace(folder, path=path), size, stamp


def _listed(folder: Stored) -> Iterator[tuple[str, int, int]]:
    fs = require("pyarrow.fs", EXTRA)
    store, _ = _opened(folder.store)
    if isinstance(store, fs.PyFileSystem):
        yield from fsspec_stores.files_of(store.handler.fs, folder.path)
        return
    (itself,) = store.get_file_info([folder.path])
    if itself.type == fs.FileType.File:
        found = [itself]
    else:
        found = store.get_file_info(fs.FileSelector(folder.path, recursive=True, allow_not_found=True))
    for one in found:
        if one.type == fs.FileType.File:
            yield one.path, one.size or 0, one.mtime_ns or 0


def opened(place: Place) -> BinaryIO:
    """Open a file for reading, at any of its bytes. Raises OSError."""
    if isinstance(place, Path):
        return place.open("rb")
    store, _ = _opened(place.store)
    if isinstance(store, require("pyarrow.fs", EXTRA).PyFileSystem):
        return cast(BinaryIO, fsspec_stores.opened(store.handler.fs, place.path))
    return cast(BinaryIO, store.open_input_file(place.path))


def check_answers(place: Stored) -> None:
    """Raise SourceDownError if a store gives no first byte of a file now, and is not there itself."""
    try:
        with opened(place) as file:
            file.read(1)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        if not _tells_what_is_not_there(place):
            raise SourceDownError(
                f"{place} cannot be read now: {one_line(str(error))}; run again later"
            ) from error


def _tells_what_is_not_there(place: Stored) -> bool:
    """Whether a store answers at all, though it does not give a file: says of another that there is none."""
    try:
        with opened(replace(place, path=f"{place.path}{NO_FILE}")) as file:
            file.read(1)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return True


def copied(place: Stored, target: Path) -> None:
    """Copy a file of a store to one of this machine. Raises SourceError."""
    try:
        copy = target.open("wb")
    except OSError as error:
        raise no_room(place, error) from error
    try:
        with copy, opened(place) as source:
            while data := source.read(COPIED_BYTES):
                _put(data, copy, place)
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {place}: {one_line(str(error))}") from error


def _put(data: bytes, copy: BinaryIO, place: Stored) -> None:
    try:
        copy.write(data)
        copy.flush()
    except OSError as error:
        raise no_room(place, error) from error


def no_room(place: Place, error: OSError) -> SourceError:
    """Say that a file cannot be copied, or linked to, in a temporary folder."""
    return SourceError(
        f"cannot copy {place} to a temporary folder: {error.strerror or error}; make room, or set TMPDIR"
    )


def names_in(folder: Place, suffix: str) -> frozenset[str]:
    """Name the files of a folder, none where it is not there; what is being written is no file yet.

    Raises:
        SourceError: if it cannot be read.
    """
    if isinstance(folder, Path):
        names = (path.name for path in folder.glob(f"*{suffix}"))
        return frozenset(name for name in names if not is_passing(name))
    found = (place for place, _, _ in listed(folder))
    return frozenset(one.name for one in found if one.suffix == suffix and one == folder / one.name)


def ends_with(path: Path, end: bytes) -> bool:
    """Tell whether these are the last bytes of a file; not of one that is not there."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    try:
        os.lseek(file, -len(end), os.SEEK_END)
        return os.read(file, len(end)) == end
    except OSError:  # it is shorter
        return False
    finally:
        os.close(file)


def check_can_hold(folder: Place) -> None:
    """Find out, and change nothing, whether files may be written into a folder, which need not be there.

    What rights there are in a store, writing alone tells.

    Raises:
        SinkError: if not.
    """
    if isinstance(folder, Path):
        check_folder(folder)
    elif folder.scheme in ONLY_READ:
        raise SinkError(f"cannot write {folder}: {folder.scheme}:// is only read; give a folder, or a store")


def make(folder: Place) -> None:
    """Make a folder with its parents, where files need one. Raises SinkError."""
    if isinstance(folder, Path):
        make_folder(folder)
    elif folder.scheme not in OBJECT_STORES:
        with _writing(folder):
            _opened(folder.store)[0].create_dir(folder.path)


def write(place: Place, data: bytes, *, lasting: bool = False) -> None:
    """Write a file whole or not at all. Raises SinkError.

    Args:
        lasting: it outlives a loss of power, which in a store it does anyway.
    """
    if isinstance(place, Path):
        write_whole(place, data, lasting=lasting)
        return
    at_once = place.scheme in OBJECT_STORES
    target = place.path if at_once else f"{place.path}{STAGED}"
    with _writing(place):
        store, _ = _opened(place.store)
        with store.open_output_stream(target) as stream:
            stream.write(data)
        if not at_once:
            with suppress(OSError):  # some refuse to move over a file
                store.delete_file(place.path)
            store.move(target, place.path)


def remove(place: Place) -> None:
    """Remove a file, which need not be there. Raises SinkError."""
    if isinstance(place, Path):
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(place, error) from error
        return
    try:
        with _writing(place):
            _opened(place.store)[0].delete_file(place.path)
    except SinkError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise


@contextmanager
def _writing(place: Stored) -> Iterator[None]:
    """Say of what goes wrong that a place of a store cannot be written."""
    try:
        yield
    except EdgesegError:
        raise
    except Exception as error:  # of whatever class the store's library has
        raise SinkError(f"cannot write {place}: {one_line(str(error) or repr(error))}") from error


@functools.lru_cache(maxsize=16)
def _opened(store: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Open a store once a process; gives the path of what the address names, too."""
    fs = require("pyarrow.fs", EXTRA)
    scheme = store.partition("://")[0]
    shown = re.sub("//[^/]*@", "//", store.partition("?")[0])
    try:
        if scheme in native_stores.SCHEMES:
            return native_stores.opened_store(store)
        opened, root = fsspec_stores.opened_store(store)
        return fs.PyFileSystem(fs.FSSpecHandler(opened)), root
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot open {shown}: {one_line(str(error))}") from error
    except ImportError as error:  # fsspec says what is to be installed
        raise UsageError(f"{shown} needs another package: {one_line(str(error))}") from error

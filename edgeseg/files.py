"""Write outputs that are whole or absent, of one run at a time: bytes, files and folders."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from edgeseg.errors import EdgesegError, SinkError

try:
    import fcntl
except ModuleNotFoundError:  # Windows: nobody is told of other runs
    fcntl = None  # type: ignore[assignment]

Kind = type[EdgesegError]

MOMENT_S = 10.0  # how long another process may take to put one file in place
POLL_S = 0.01
LONGEST_NAME = 200  # bytes of a name that staging names are made of; file systems take 255
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # of file systems that have none
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
PASSING = re.compile(r"\.(?P<stem>.+)\.(lock|[0-9a-f]{8}\.(part|old)(?P<suffix>\..*)?)", re.DOTALL)


def unwritable(path: Path, error: OSError, kind: Kind = SinkError) -> EdgesegError:
    """Say in one line why a path cannot be written."""
    return kind(f"cannot write {path}: {error.strerror or error}; choose another path or make room")


def make_folder(folder: Path, kind: Kind = SinkError) -> None:
    """Make a folder with its parents. Raises `kind`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error, kind) from error


def check_folder(folder: Path, kind: Kind = SinkError) -> None:
    """Find out whether a folder can be written, or made, without doing so. Raises `kind`."""
    there = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
    if not os.path.isdir(there):
        raise kind(f"cannot write {folder}: {there} is no folder; choose another path")
    if not os.access(there, os.W_OK | os.X_OK):
        raise kind(f"cannot write {folder}: no right to write in {there}; choose another path")


def check_writable(path: Path, kind: Kind = SinkError) -> None:
    """Find out whether a file can be written, without changing it or leaving one. Raises `kind`."""
    if _is_special(path):
        return  # opening one and closing it again is not without effect
    target = path.resolve()
    exists = target.exists()
    try:
        target.open("ab").close()
        if not exists:
            target.unlink()
    except OSError as error:
        raise unwritable(path, error, kind) from error


def check_whole(path: Path, kind: Kind = SinkError) -> None:
    """Find out whether `write_whole` can write a file, and make the folder for it. Raises `kind`."""
    with Claim(path, kind, wait_s=MOMENT_S):
        check_writable(path, kind)


def write_whole(path: Path, data: bytes, kind: Kind = SinkError, *, lasting: bool = False) -> None:
    """Write a file at once or not at all: beside its place first, then moved there. Raises `kind`.

    A link stays one; a pipe or a device is written as it is. Where it is to be `lasting`, it is on the disk
    before it is in its place, so that it is whole after a loss of power, too.
    """
    with Claim(path, kind, wait_s=MOMENT_S) as claim:
        claim.write(data, lasting=lasting)


@contextmanager
def staged_file(path: Path, kind: Kind = SinkError) -> Iterator[Path]:
    """Give a name beside `path` for a file that takes its place at the end, or vanishes if anything fails.

    Raises:
        kind: if it cannot be written, or another run writes it.
    """
    with Claim(path, kind) as claim, _tidied(path, kind):
        staged = claim.staging()
        try:
            yield staged
            claim.put(staged)
        finally:
            staged.unlink(missing_ok=True)


@contextmanager
def staged_folder(folder: Path, kind: Kind = SinkError) -> Iterator[Path]:
    """Give a new folder beside `folder` that takes its place at the end, or vanishes if anything fails.

    Raises:
        kind: if it cannot be written, or another run writes it.
    """
    with Claim(folder, kind) as claim, _tidied(folder, kind):
        staged = claim.staging()
        try:
            staged.mkdir()
            yield staged
            claim.put(staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def is_passing(name: str) -> bool:
    """Whether a file's name is one of a claim or of what it stages: such files may go at any time."""
    return PASSING.fullmatch(name) is not None


def sweep(folder: Path) -> None:
    """Remove what killed processes left of files in a folder; what others are writing now stays."""
    try:
        passing = [found for found in map(PASSING.fullmatch, os.listdir(folder)) if found]
    except OSError:  # nothing is there
        return
    for stem, suffix in {(found["stem"], found["suffix"] or "") for found in passing}:
        with suppress(EdgesegError):  # another's
            Claim(folder / f"{stem}{suffix}").release()


class Claim:
    """The right to write a file or a folder, which one process has at a time; a context manager.

    It is a lock on `.NAME.lock` beside the output, and ends with its process, however that ends. What killed
    processes left of the same output is removed by the next one that claims it. Where the file system knows
    no locks nobody is refused, and nothing removed.

    Args:
        path: links are followed. A pipe or a device is nobody's own.
        kind: the error to raise.
        wait_s: for another's claim to end.
        in_place: the output is a file that is written where it lies; in a folder that takes no other file it
            is not locked.

    Attributes:
        place: where the output really is.

    Raises:
        kind: if the folder of `path` cannot be made or written, or another process has the claim.
    """

    _lock: int | None = None  # a file descriptor

    def __init__(
        self, path: Path, kind: Kind = SinkError, *, wait_s: float = 0.0, in_place: bool = False
    ) -> None:
        self._path = path
        self._kind = kind
        self._process = os.getpid()
        make_folder(path.parent, kind)
        self.place = path.resolve()
        stem, suffix = _short(self.place)
        self._lock_path = self.place.with_name(f".{stem}{suffix}.lock")
        self._leftover = re.compile(rf"\.{re.escape(stem)}\.[0-9a-f]{{8}}\.(part|old){re.escape(suffix)}")
        self._stem, self._suffix = stem, suffix
        if fcntl is None or (_is_special(path) and not path.is_dir()):
            return
        try:
            self._lock = self._acquire(time.monotonic() + wait_s)
            if self._lock is not None:
                self._remove_leftovers()
        except OSError as error:
            self.release()
            if not (in_place and error.errno in UNWRITABLE and self.place.is_file()):
                raise unwritable(path, error, kind) from error

    def staging(self, mark: str = "part") -> Path:
        """Give a name of its own beside the output, with the output's suffix; nothing is there yet."""
        return self.place.with_name(f".{self._stem}.{secrets.token_hex(4)}.{mark}{self._suffix}")

    def put(self, staged: Path) -> None:
        """Move a staged file or folder into the output's place; a folder that is there goes."""
        try:
            if not (staged.is_dir() and self.place.is_dir()):
                staged.replace(self.place)
                return
            aside = self.staging("old")
            self.place.rename(aside)
            try:
                staged.rename(self.place)
            except BaseException:
                aside.rename(self.place)
                raise
            shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise unwritable(self._path, error, self._kind) from error

    def write(self, data: bytes, path: Path | None = None, *, lasting: bool = False) -> None:
        """Write the output, or another file in its folder, at once or not at all."""
        path = path or self._path
        try:
            if _is_special(path):
                path.write_bytes(data)
                return
            staged = self.staging()
            try:
                staged.write_bytes(data)
                if lasting:
                    _sync(staged)
                staged.replace(path.resolve())
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise unwritable(path, error, self._kind) from error

    def release(self) -> None:
        """Let others write; may be called twice. A child of the process that claimed it releases nothing."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        if os.getpid() == self._process:
            with suppress(OSError):
                self._lock_path.unlink()
        with suppress(OSError):
            os.close(lock)

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()

    def _acquire(self, deadline: float) -> int | None:
        """Lock the file of that name; None where there are no locks."""
        while True:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(lock, self._lock_path):  # nobody released and removed it in between
                    return lock
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(lock)
                    raise self._kind(
                        f"another run writes {self._path}; wait for it, or choose another path"
                    ) from None
                time.sleep(POLL_S)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    os.close(lock)
                    raise
                self._lock_path.unlink(missing_ok=True)
                os.close(lock)
                return None
            os.close(lock)

    def _remove_leftovers(self) -> None:
        """Remove what the holder of this claim alone could have made, and put back what was moved aside."""
        for name in os.listdir(self.place.parent):
            if (found := self._leftover.fullmatch(name)) is None:
                continue
            path = self.place.with_name(name)
            if found[1] == "old" and not self.place.exists():
                path.rename(self.place)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def _tidied(path: Path, kind: Kind) -> Iterator[None]:
    """Say of system errors that `path` cannot be written."""
    try:
        yield
    except BrokenPipeError:  # of what was said meanwhile
        raise
    except OSError as error:
        raise unwritable(path, error, kind) from error


def _sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _is_special(path: Path) -> bool:
    """Whether it is there and no regular file: a pipe, a device, a folder."""
    return os.path.exists(path) and not os.path.isfile(path)  # unlike Path's, these raise nothing


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _short(place: Path) -> tuple[str, str]:
    """Give the stem and the suffix for staging names; a digest stands for a stem that is too long."""
    suffix = place.suffix
    if len(os.fsencode(place.name)) <= LONGEST_NAME:
        return place.stem, suffix
    digest = hashlib.sha256(os.fsencode(place.stem)).hexdigest()[:16]
    return digest, suffix if len(os.fsencode(suffix)) <= LONGEST_NAME else ""

"""Give processes temporary folders, and remove those of processes that were killed.

A process locks the folders that it has, and the system ends its locks with it, however it ends.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows: what killed processes had stays
    fcntl = None  # type: ignore[assignment]

# Of one machine: where several share TMPDIR, not all see each other's locks.
PREFIX = f"edgeseg-copies-{platform.node()}-"


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder until the end; `sweep` removes it if this process is killed before. Raises OSError."""
    with ExitStack() as held:
        yield _owned(held)


def sweep() -> None:
    """Remove the folders of this user's processes that have ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if fcntl is not None else ():
        with suppress(OSError), _opened(folder) as handle:
            if os.fstat(handle).st_uid == os.geteuid():
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where a process has it
                shutil.rmtree(folder)


def _owned(held: ExitStack) -> Path:
    """Make a folder, and lock it before another process takes it for one that is left over."""
    while True:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX)))
        if fcntl is None:
            return folder
        with suppress(FileNotFoundError):  # another did
            handle = held.enter_context(_opened(folder))
            with suppress(OSError):  # of file systems without locks, where nothing is swept
                fcntl.flock(handle, fcntl.LOCK_EX)
            folder.stat()
            return folder


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield handle
    finally:
        os.close(handle)

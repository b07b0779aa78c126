"""Send an engine to the nodes of a cluster, and keep on each of them only those that a process has open."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from edgeseg.cluster.joining import EXTRA
from edgeseg.cluster.sent import digest_of, folder_of, packed, unpacked
from edgeseg.extras import require

try:
    import fcntl
except ModuleNotFoundError:  # Windows: nothing is removed
    fcntl = None  # type: ignore[assignment]

POLL_S = 0.05
_USED = ".used"  # ends the name of a file that processes lock, beside their engine's folder


class Sent(NamedTuple):
    """An engine for other nodes: its digest, and what fetches it to a node, packed."""

    digest: str
    fetch: Callable[[], bytes]


def sent(ray: Any, folder: Path) -> Sent:
    """Put an engine where all nodes can fetch it from, for as long as somebody has what is given.

    Raises:
        EngineError: if there is no engine, or a file of it was changed.
    """
    return Sent(digest_of(folder), partial(_fetched, ray.put(packed(folder))))


class Placed:
    """An engine in a folder of this node, until it is closed; others that no process has open are removed.

    Args:
        use: as for `folder_of`.

    Attributes:
        folder: which several processes of the node share.

    Raises:
        EngineError: if the folder is another user's, or cannot be written.
    """

    def __init__(self, engine: Sent, use: str) -> None:
        self.folder = folder_of(engine.digest, use)
        self._lock: int | None = None
        if fcntl is not None:
            _remove(self.folder.parent, but=self.folder.name)
            self._lock = os.open(_lock_path(self.folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        try:
            unpacked(engine.fetch(), engine.digest, use)
        except BaseException:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Leave the engine to be removed by the next who looks; the end of the process does so, too."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def close(self) -> None:
        """Remove the engine if no other process of this node has it open; closing twice is allowed."""
        if self._lock is not None:
            self.let_go()
            _remove(self.folder.parent)


def remove_unused(digest: str, use: str, wait_s: float) -> None:
    """Remove an engine of this node once no process has it open, if that is so within a time."""
    folder = folder_of(digest, use)
    end_s = time.monotonic() + wait_s
    while fcntl is not None:
        _remove(folder.parent)
        if not folder.exists() or time.monotonic() >= end_s:
            return
        time.sleep(POLL_S)


def _fetched(reference: Any) -> bytes:
    data: bytes = require("ray", EXTRA).get(reference)
    return data


def _remove(parent: Path, but: str = "") -> None:
    """Remove engines that no process has locked."""
    for lock in parent.glob(f"*{_USED}"):
        folder = lock.with_suffix("")
        if folder.name == but or not folder.exists():
            continue
        with suppress(OSError):  # another has it
            held = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(held)


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_USED}")

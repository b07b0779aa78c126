"""List and read the stores that fsspec opens, whose libraries have errors of their own."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

from edgeseg.batch.at_once import at_once
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.stamps import stamp_of
from edgeseg.extras import require

GONE = (404, 410)  # statuses of HTTP
PAGE = "text/html"  # which HTTP servers give for a folder, with a link to each file


class NotGivenError(OSError):
    """A store does not give a file that is there, or does not say whether it is."""


def opened_store(address: str) -> tuple[Any, str]:
    """Open a store; gives the path of what the address names, too.

    Not by `url_to_fs`, which takes the `::` of `http://[::1]:8000` for the end of an address.

    Raises:
        ValueError, ImportError: if fsspec does not know it, or lacks a package.
        OSError: if it cannot be opened.
    """
    kind = require("fsspec", EXTRA).get_filesystem_class(address.partition("://")[0])
    return kind(**kind._get_kwargs_from_urls(address)), kind._strip_protocol(address)


def files_of(store: Any, path: str) -> Iterator[tuple[str, int, int]]:
    """Give the file at a path, or all below it, each with its size in bytes and its stamp.

    A store whose listing tells no stamps is asked for each file, if that tells more.

    Args:
        store: fsspec's.

    Raises:
        NotGivenError: if the store cannot be asked.
    """
    with _told():
        store.invalidate_cache()
        itself: Mapping[str, Any] = {}
        with suppress(FileNotFoundError), _told():
            itself = store.info(path)
        is_file = itself.get("type") == "file" and itself.get("mimetype") != PAGE
        found: dict[str, Mapping[str, Any]]
        found = {path: itself} if is_file else dict(store.find(path, detail=True))
        bare = [name for name, info in found.items() if not stamp_of(info)]
        if bare and bare != [path] and stamp_of(store.info(bare[0])):
            found.update(zip(bare, at_once(store.info, bare), strict=True))
    for name, info in found.items():
        yield name, info.get("size") or 0, stamp_of(info)


def opened(store: Any, path: str) -> io.RawIOBase:
    """Open a file for reading, at any of its bytes.

    Args:
        store: fsspec's.

    Raises:
        FileNotFoundError: if there is none.
        NotGivenError: if the store does not give it, now or when it is read.
    """
    with _told():
        return _File(store.open(path, "rb"))


class _File(io.RawIOBase):
    """A file of a store, whose errors are those of `opened`."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        with _told():
            return cast(bytes, self._file.read(size))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _told():
            return cast(int, self._file.seek(offset, whence))

    def tell(self) -> int:
        return cast(int, self._file.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def _told() -> Iterator[None]:
    """Turn errors of a store's library into those of `opened`; some say of all that a file is not there."""
    try:
        yield
    except NotGivenError:
        raise
    except Exception as raised:  # of whatever class the library has
        error: BaseException = raised
        while isinstance(error, FileNotFoundError) and error.__cause__ is not None:
            error = error.__cause__
        if isinstance(error, FileNotFoundError) or getattr(error, "status", None) in GONE:
            raise FileNotFoundError(str(raised)) from raised
        raise NotGivenError(str(error) or type(error).__name__) from raised

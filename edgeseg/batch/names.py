"""Turn names of files, which may be any bytes, into text that a table can hold, and back.

What is not UTF-8 becomes `\\xHH`, a byte in hexadecimal; so does a backslash that would be taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeseg.batch.scratch import scratch

_NOT_TEXT = re.compile(r"[\ud800-\udfff]|\\(?=x[0-9a-f]{2})")  # Python's stand-ins for such bytes
_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def as_text(name: str) -> str:
    """Escape a name as Python gives it; most stay as they are."""
    return _NOT_TEXT.sub(_escaped, name)


def bytes_of_name(text: str) -> bytes:
    """Give the bytes of the name that `as_text` escaped."""
    return _BYTE.sub(lambda found: bytes([int(found[1], 16)]), text.encode())


@contextmanager
def spelt_in_text(path: Path) -> Iterator[Path]:
    """Give a file's path, or that of a link to it where its own is no UTF-8, which FFmpeg asks for.

    Raises:
        OSError: if the link cannot be made.
    """
    if as_text(str(path)) == str(path):
        yield path
        return
    with scratch() as folder:
        link = folder / f"link{as_text(path.suffix)}"
        link.symlink_to(path.absolute())
        yield link


def _escaped(found: re.Match[str]) -> str:
    raw = found[0].encode(errors="surrogateescape" if "\udc80" <= found[0] <= "\udcff" else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in raw)

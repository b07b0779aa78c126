"""Search folders of this machine for files that match a pattern, once around each loop of links."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

ANY_DEPTH = "**"  # any number of folders
HIDDEN = "."
Folder = tuple[int, int]  # device and number


class Tree:
    """Folders and files below a root, in order of their names.

    Attributes:
        unlisted: a line for each folder that could not be listed, and why.
    """

    def __init__(self) -> None:
        self.unlisted: list[str] = []

    def matching(
        self, folder: Path, parts: Sequence[str], above: frozenset[Folder] = frozenset()
    ) -> Iterator[Path]:
        """Give the files, and links to no file, below a folder that match a pattern, as `glob` does.

        A folder that matches stands for all below it. What is hidden is left out, unless its part of the
        pattern begins with a dot, too; so are pipes, sockets and devices.

        Args:
            parts: of the pattern, one a folder.
            above: folders on the way here, which links are not followed back to.
        """
        first, *rest = parts or (ANY_DEPTH,)
        if first == ANY_DEPTH and rest:
            yield from self.matching(folder, rest, above)
        if not glob.has_magic(first):
            entries = [folder / first]
        else:
            entries = [folder / name for name in self._names(folder) if _fits(name, first)]
            above |= _identity(folder)
        for entry in entries:
            try:
                status = entry.stat()
            except OSError:
                if not rest and os.path.lexists(entry):
                    yield entry
                continue
            if stat.S_ISDIR(status.st_mode):
                if (status.st_dev, status.st_ino) not in above:
                    yield from self.matching(entry, parts if first == ANY_DEPTH else rest, above)
            elif stat.S_ISREG(status.st_mode) and not rest:
                yield entry

    def _names(self, folder: Path) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except NotADirectoryError:
            return []
        except OSError as error:
            line = f"cannot list {folder}: {error.strerror or error}"
            if line not in self.unlisted:
                self.unlisted.append(line)
            return []


def _fits(name: str, pattern: str) -> bool:
    if name.startswith(HIDDEN) and not pattern.startswith(HIDDEN):
        return False
    return pattern == ANY_DEPTH or fnmatch.fnmatch(name, pattern)


def _identity(folder: Path) -> frozenset[Folder]:
    try:
        status = folder.stat()
    except OSError:
        return frozenset()
    return frozenset([(status.st_dev, status.st_ino)])

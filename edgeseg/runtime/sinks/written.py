"""List what a run wrote into a folder: the next run there may remove nothing else."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from edgeseg.files import unwritable

LIST_NAME = "maps.sha256"  # in the form of sha256sum
LINE = re.compile(r"([0-9a-f]{64})  ([^/\0]+)")


class WrittenList:
    """The list in a folder: one line a file, its SHA-256 and its name.

    A file is listed just before it is written, so that a run that is killed leaves none out. What someone has
    changed since does not have its sum any more, and stays.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LIST_NAME

    def begin(self) -> tuple[int, int]:
        """Remove what the last run wrote here, and begin a new list.

        Returns:
            how many files were removed, and how many PNG files are there all the same.

        Raises:
            SinkError: if they cannot be removed.
        """
        removed = 0
        try:
            for digest, name in self._read():
                path = self._folder / name
                if path.is_file() and not path.is_symlink() and _digest(path.read_bytes()) == digest:
                    path.unlink()
                    removed += 1
            self._path.write_bytes(b"")
            others = sum(path.suffix.lower() == ".png" for path in self._folder.iterdir())
        except OSError as error:
            raise unwritable(Path(error.filename or self._folder), error) from error
        return removed, others

    def add(self, name: str, data: bytes) -> None:
        """List a file that is about to be written. Raises SinkError."""
        try:
            with self._path.open("ab") as file:
                file.write(f"{_digest(data)}  {name}\n".encode(errors="surrogateescape"))
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _read(self) -> list[tuple[str, str]]:
        lines: list[str] = []
        with suppress(FileNotFoundError):
            lines = self._path.read_bytes().decode(errors="surrogateescape").split("\n")
        return [(match[1], match[2]) for line in lines if (match := LINE.fullmatch(line))]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

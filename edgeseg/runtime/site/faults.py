"""Say what is wrong with a site's settings: each fault by its key, and its line where there is a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeseg.errors import UsageError, one_line

KeyPath = tuple[str | int, ...]
"""Where a value stands: `("streams", 1, "stall_timeout_s")`."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        path: of the value.
        says: what was wanted, what was got and what to do, to be read after the path.
    """

    path: KeyPath
    says: str

    def __str__(self) -> str:
        return one_line(f"{named(self.path)} {self.says}".strip())


class SettingsError(UsageError):
    """Settings cannot be followed.

    Attributes:
        lines: one for each fault.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


def named(path: KeyPath) -> str:
    """Write a path as TOML's users do: `streams[1].stall_timeout_s`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def placed(faults: Sequence[Fault], file: str, lines: Mapping[KeyPath, int]) -> tuple[str, ...]:
    """Put file and line before each fault, in the order of the lines.

    Args:
        lines: of keys, from 1; a fault whose key is not there has the line of the table that it is missing
            in, and none if that is the whole file.
    """
    found = [(_line_of(fault.path, lines), fault) for fault in faults]
    found.sort(key=lambda item: item[0])
    return tuple(f"{file}:{line}: {fault}" if line else f"{file}: {fault}" for line, fault in found)


def _line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)

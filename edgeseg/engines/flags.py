"""Flags of the command line: one for each field of a backend's `BuildOptions`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

_KEY = "flag"


@dataclass(frozen=True)
class Flag:
    """What the command line and packages know of a field.

    Attributes:
        help: what it says of the flag.
        name: of the flag, where it is not that of the field.
        metavar: what its help calls a value.
        attachment: name that the file goes by within a package; the field holds its path.
    """

    help: str
    name: str = ""
    metavar: str = ""
    attachment: str = ""


def flag(help: str, *, name: str = "", metavar: str = "", attachment: str = "") -> dict[str, Flag]:
    """Give the metadata of a field of `BuildOptions`, whose annotation says which values it takes."""
    return {_KEY: Flag(help, name, metavar, attachment)}


def fields_of(options: type[Any]) -> dict[str, Flag]:
    """List the fields of a `BuildOptions` by name."""
    return {item.name: item.metadata[_KEY] for item in dataclasses.fields(options)}


def flag_of(name: str, field: Flag) -> str:
    """Name the flag of a field: `timing_cache` is `--timing-cache`."""
    return field.name or f"--{name.replace('_', '-')}"

"""What a build may be asked: fields of a backend's `BuildOptions`, each with its flag of the command line."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

_KEY = "asked"


@dataclass(frozen=True)
class Asked:
    """What the command line and packages know of a field.

    Attributes:
        help: of its flag.
        flag: its name, where it is not that of the field.
        metavar: what its help calls a value.
        attachment: name that the file goes by within a package; the field holds its path.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    attachment: str = ""


def asked(help: str, *, flag: str = "", metavar: str = "", attachment: str = "") -> dict[str, Asked]:
    """Give the metadata of a field of `BuildOptions`, whose annotation says which values it takes."""
    return {_KEY: Asked(help, flag, metavar, attachment)}


def fields_of(options: type[Any]) -> dict[str, Asked]:
    """List the fields of a `BuildOptions` by name."""
    return {item.name: item.metadata[_KEY] for item in dataclasses.fields(options)}


def flag_of(name: str, field: Asked) -> str:
    """Name the flag of a field: `timing_cache` is `--timing-cache`."""
    return field.flag or f"--{name.replace('_', '-')}"

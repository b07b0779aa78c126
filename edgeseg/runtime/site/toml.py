"""Read TOML with what the standard library has, and before Python 3.11 with the package it came from."""

from __future__ import annotations

import sys
from typing import Any

from edgeseg.extras import require


def loads(text: str) -> dict[str, Any]:
    """Read a TOML text.

    Raises:
        ValueError: if it is not TOML; the message ends in line and column.
        MissingExtraError: if Python is 3.10 and tomli is not installed.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        tomllib = require("tomli", "streams")
    read: dict[str, Any] = tomllib.loads(text)
    return read

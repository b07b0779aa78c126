"""Turn measured ranges into a JSON file, and back if it is about the same model, images and method."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgeseg.errors import EngineError
from edgeseg.files import write_whole

CACHE_VERSION = 1


def read_cache(path: Path, key: str) -> dict[str, float] | None:
    """Read ranges by tensor; None if there are none of this key, or the file is of another kind."""
    try:
        plain = json.loads(path.read_text())
        if plain["version"] != CACHE_VERSION or plain["key"] != key:
            return None
        return {str(name): float(value) for name, value in plain["ranges"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_cache(path: Path, key: str, ranges: Mapping[str, float]) -> None:
    """Write ranges by tensor.

    Args:
        key: hash of what they were measured on.

    Raises:
        EngineError: if the file cannot be written.
    """
    text = json.dumps({"version": CACHE_VERSION, "key": key, "ranges": dict(ranges)}, indent=1)
    write_whole(path, f"{text}\n".encode(), EngineError)

"""Turn measured ranges into a JSON file, and back if it is about the same model, images and method."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import EngineError, SpecError
from edgeseg.files import write_whole
from edgeseg.reading import parse_json, read_bytes, reading
from edgeseg.records import from_plain
from edgeseg.spec import Magnitude

CACHE_VERSION = 1


@dataclass(frozen=True)
class _Stored:
    version: int
    key: str
    ranges: Mapping[str, Magnitude]


def read_cache(path: Path, key: str) -> dict[str, float] | None:
    """Read ranges by tensor; None if there are none of this key, or the file is of another kind.

    Raises:
        EngineError: if it is there and no file that can be read.
    """
    if not path.exists():
        return None
    with reading(path, EngineError, what="a calibration cache", mend=""):
        data = read_bytes(path)
    try:
        stored = from_plain(_Stored, parse_json(data, SpecError, str(path)))
    except (ValueError, SpecError):
        return None
    return dict(stored.ranges) if (stored.version, stored.key) == (CACHE_VERSION, key) else None


def write_cache(path: Path, key: str, ranges: Mapping[str, float]) -> None:
    """Write ranges by tensor.

    Args:
        key: hash of what they were measured on.

    Raises:
        EngineError: if the file cannot be written.
    """
    text = json.dumps({"version": CACHE_VERSION, "key": key, "ranges": dict(ranges)}, indent=1)
    write_whole(path, f"{text}\n".encode(), EngineError)

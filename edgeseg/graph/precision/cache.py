"""Keep what was measured of a model on images in a JSON file, and read it where it is about the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import EngineError, SpecError
from edgeseg.files import write_whole
from edgeseg.reading import parse_json, read_bytes, reading
from edgeseg.records import from_json_value
from edgeseg.spec import Magnitude

CACHE_VERSION = 2
MOST_KEYS = 16  # that a file keeps, the latest


@dataclass(frozen=True)
class _Stored:
    version: int
    measured: Mapping[str, Mapping[str, Magnitude]]


class Cache:
    """Measurements by name, under keys that say what they are about; kept in a file if there is a path.

    The file is written after every measurement, so that an interrupted build goes on where it was.

    Raises:
        EngineError: if the file is there and cannot be read, or cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._measured = {} if path is None else _read(path)

    def get(self, key: str) -> dict[str, float]:
        """Give what was measured under a key; empty if nothing was."""
        return dict(self._measured.get(key, {}))

    def add(self, key: str, values: Mapping[str, float]) -> None:
        """Keep more measurements under a key."""
        self._measured[key] = {**self._measured.pop(key, {}), **values}
        for oldest in list(self._measured)[:-MOST_KEYS]:
            del self._measured[oldest]
        if self._path is not None:
            text = json.dumps({"version": CACHE_VERSION, "measured": self._measured}, indent=1)
            write_whole(self._path, f"{text}\n".encode(), EngineError)


def _read(path: Path) -> dict[str, dict[str, float]]:
    """Read a file; nothing if there is none, or one of another kind or version, which is written anew."""
    if not path.exists():
        return {}
    with reading(path, EngineError, what="a calibration cache", fix=""):
        data = read_bytes(path)
    try:
        stored = from_json_value(_Stored, parse_json(data, SpecError, str(path)))
    except (ValueError, SpecError):
        return {}
    if stored.version != CACHE_VERSION:
        return {}
    return {key: dict(values) for key, values in stored.measured.items()}

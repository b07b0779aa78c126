"""Say what became of each backend in a race of engines: written when one wins, and read with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import EngineError
from edgeseg.manifest import BUILD_AGAIN, RACE_NAME, Manifest, read_file
from edgeseg.reading import parse_json, reading
from edgeseg.records import from_json_value, to_json_value


@dataclass(frozen=True)
class Contender:
    """What became of one backend in a race.

    Attributes:
        version: of its library; None where it made no engine.
        median_ms: of an inference with the best of its own options; None where it made no engine.
        turned_down: why it is not the engine; None for the one that is, and for slower ones.
    """

    backend: str
    version: str | None = None
    median_ms: float | None = None
    turned_down: str | None = None


@dataclass(frozen=True)
class _Kept:
    contenders: tuple[Contender, ...]


def race_to_json(contenders: Sequence[Contender]) -> str:
    """Write contenders as an engine keeps them; see `read_race`."""
    return json.dumps(to_json_value(_Kept(tuple(contenders))), indent=2, sort_keys=True) + "\n"


def read_race(folder: Path, manifest: Manifest) -> tuple[Contender, ...]:
    """Read what an engine says of the race that it won; empty if there was none. Raises EngineError."""
    if RACE_NAME not in manifest.files:
        return ()
    with reading(folder / RACE_NAME, EngineError, what="the report of a race", fix=BUILD_AGAIN):
        parsed = parse_json(read_file(folder, manifest, RACE_NAME), EngineError, RACE_NAME)
        return from_json_value(_Kept, parsed, where=RACE_NAME).contenders

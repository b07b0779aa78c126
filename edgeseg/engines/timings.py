"""Keep what was timed on this machine, so that it is timed once: files of measured options in a cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeseg import __version__
from edgeseg.cores import usable_cores
from edgeseg.engines.cache import user_cache
from edgeseg.engines.tuning import Measured
from edgeseg.errors import EngineError, SpecError
from edgeseg.files import write_whole
from edgeseg.machine import processor
from edgeseg.reading import parse_json, read_text, reading
from edgeseg.records import from_json_value, to_json_value

FOLDER = "timings"

Options = Mapping[str, Any]


@dataclass(frozen=True)
class _Kept:
    """What a file holds: what was timed where, in full, and the times."""

    key: Mapping[str, str]
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class Timings:
    """The times that are known of this machine.

    A key says in texts what was timed: the graph, the backend, its version, all that its time depends on. The
    processor, its cores and edgeseg's version are put to it here. What is damaged, or of another key, is
    passed over, and so is a folder that cannot be written.

    Attributes:
        again: measure all anew; what is measured replaces what was kept.
    """

    again: bool = False

    def measured(
        self, key: Mapping[str, str], choices: Sequence[Options], measure: Callable[[], list[Measured]]
    ) -> list[Measured]:
        """Give the times of `choices`, fastest first: those kept, or by `measure`, which are kept then."""
        key = {**key, "choices": _text(_as_read(choices))}
        known = self.recall(key)
        if known is not None and _same([entry.options for entry in known], choices):
            return known
        measured = measure()
        self.keep(key, measured)
        return measured

    def recall(self, key: Mapping[str, str]) -> list[Measured] | None:
        """Give what was kept by that key on this machine, each entry marked as recalled; None if nothing."""
        if self.again:
            return None
        key = _on_this_machine(key)
        with suppress(EngineError):
            path = _path(key)
            with reading(path, EngineError, what="times that were kept", fix="they are measured again"):
                parsed = parse_json(read_text(path, EngineError), EngineError, str(path))
            kept = _of_json(parsed)
            if kept.key == key and kept.measured and all(entry.median_ms > 0 for entry in kept.measured):
                ranked = sorted(kept.measured, key=lambda entry: entry.median_ms)
                return [replace(entry, recalled=True) for entry in ranked]
        return None

    def keep(self, key: Mapping[str, str], measured: Sequence[Measured]) -> None:
        """Keep times by that key, in the place of others, where the cache can be written."""
        key = _on_this_machine(key)
        text = json.dumps(to_json_value(_Kept(key, tuple(measured))), indent=2, sort_keys=True)
        with suppress(EngineError):
            write_whole(_path(key), f"{text}\n".encode(), EngineError)


def folder() -> Path:
    """Name the folder of all times. Raises EngineError if the user has no cache."""
    return user_cache() / FOLDER


def _on_this_machine(key: Mapping[str, str]) -> dict[str, str]:
    return {**key, **processor(), "cores": str(usable_cores()), "edgeseg": __version__}


def _path(key: Mapping[str, str]) -> Path:
    return folder() / f"{hashlib.sha256(_text(key).encode()).hexdigest()}.json"


def _of_json(parsed: Any) -> _Kept:
    try:
        return from_json_value(_Kept, parsed)
    except SpecError as error:
        raise EngineError(str(error)) from error


def _same(kept: Sequence[Options], asked: Sequence[Options]) -> bool:
    return sorted(map(_text, _as_read(kept))) == sorted(map(_text, _as_read(asked)))


def _as_read(choices: Sequence[Options]) -> Any:
    """Give options as JSON has them: a tuple is a list there."""
    return to_json_value(list(choices))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)

"""Keep what was made and measured in a folder, by what it depends on, for the next run to go on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgeseg import __version__
from edgeseg.cores import usable_cores
from edgeseg.errors import EngineError, UsageError
from edgeseg.files import Claim, make_folder, write_whole
from edgeseg.machine import processor
from edgeseg.reading import parse_json, read_text, reading

MARK = "tuning"  # a file by which a folder of work is known
AGAIN = "it is made again"

Key = Mapping[str, Any]
"""What something depends on, ready for JSON; the machine and edgeseg's version are put to it."""


class Work:
    """A folder of work, which one run uses at a time; a context manager.

    What stands in it is whole or absent at every moment, so that a run that was killed is gone on with. What
    is damaged, or depends on something else by now, is passed over.

    Args:
        folder: made where it is not there.

    Raises:
        UsageError: if the folder holds something else.
        EngineError: if it cannot be written, or another run uses it.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not (folder.is_dir() and (_is_empty(folder) or (folder / MARK).is_file())):
            raise UsageError(f"{folder} holds something else than a tuning's work; choose another --work")
        make_folder(folder, EngineError)
        self.folder = folder
        self._claim = Claim(folder / MARK, EngineError)
        self._claim.write(b"")

    def recall(self, kind: str, key: Key) -> Any:
        """Give what was kept by that key, as JSON has it; None if nothing was."""
        with suppress(EngineError):
            path = self._path(kind, key)
            with reading(path, EngineError, what="what a tuning kept", fix=AGAIN):
                kept = parse_json(read_text(path, EngineError), EngineError, str(path))
            if isinstance(kept, dict) and kept.get("key") == _on_this_machine(key):
                return kept.get("value")
        return None

    def keep(self, kind: str, key: Key, value: Any) -> None:
        """Keep a value, ready for JSON and not None, in the place of another of that key."""
        text = json.dumps({"key": _on_this_machine(key), "value": value}, indent=1, sort_keys=True)
        path = self._path(kind, key)
        make_folder(path.parent, EngineError)
        write_whole(path, f"{text}\n".encode(), EngineError)

    def place(self, kind: str, key: Key) -> Path:
        """Name a file or folder for what depends on that key; its parent is made."""
        place = self._path(kind, key).with_suffix("")
        make_folder(place.parent, EngineError)
        return place

    def _path(self, kind: str, key: Key) -> Path:
        digest = hashlib.sha256(_text(_on_this_machine(key)).encode()).hexdigest()
        return self.folder / kind / f"{digest[:24]}.json"

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        self._claim.release()


def _on_this_machine(key: Key) -> dict[str, Any]:
    """Put the machine to a key, which comes back as JSON has it."""
    named = {**key, **processor(), "cores": usable_cores(), "edgeseg": __version__}
    parsed: dict[str, Any] = json.loads(_text(named))
    return parsed


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None

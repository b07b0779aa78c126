"""Read a site's settings from a TOML file, and say file, line and key of everything that is wrong in it."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.errors import UsageError, shown
from edgeseg.extras import require
from edgeseg.reading import read_text, reading, reason_of
from edgeseg.runtime.settings import ServeSettings, SiteSettings, StreamSettings, ZoneSettings
from edgeseg.runtime.site.faults import Fault, KeyPath, SettingsError, placed
from edgeseg.runtime.site.ranges import out_of_range
from edgeseg.runtime.site.toml import loads
from edgeseg.runtime.site.toml_lines import lines_of_keys

EXTRA = "streams"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|\d{1,3}$", re.IGNORECASE)  # of what is no path
_WANTED = {  # by pydantic's name of a fault: what TOML calls that which was wanted
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "an array",
    "dataclass_type": "a table",
}
_TOML_KINDS = {
    str: "a string",
    bool: "true or false",
    list: "an array",
    dict: "a table",
}


@dataclass(frozen=True)
class SettingsFile:
    """What a file asks for, and where in it.

    Attributes:
        path: of the file.
        settings: with paths that are relative to the file's folder made so to the working folder.
        lines: of its keys.
    """

    path: Path
    settings: SiteSettings
    lines: Mapping[KeyPath, int]

    def placed(self, faults: Sequence[Fault]) -> tuple[str, ...]:
        """Put file and line before each fault."""
        return placed(faults, str(self.path), self.lines)


def read_settings(path: Path) -> SettingsFile:
    """Read a site's settings: keys as SiteSettings has fields, `[[streams]]`, `[[streams.zones]]`, `[serve]`.

    Raises:
        SettingsError: with every key that is unknown, missing, of another type or out of its range.
        UsageError: if it cannot be read, or is not TOML.
        MissingExtraError: if pydantic is not installed.
    """
    with reading(path, UsageError, what="TOML", fix="write UTF-8", missing="check the path"):
        text = read_text(path, UsageError)
        values = _parsed(path, text)
        lines = lines_of_keys(text)
    settings, faults = _validated(values)
    faults += out_of_range(values)
    if settings is None or faults:
        raise SettingsError(placed(faults, str(path), lines))
    return SettingsFile(path, from_folder(settings, path.parent), lines)


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return loads(text)
    except ValueError as error:
        what, _, place = reason_of(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", place)
        raise UsageError(
            f"{path}:{line[1]}: {what}; see https://toml.io" if line else f"{path}: {error}"
        ) from None


def _validated(values: Mapping[str, Any]) -> tuple[SiteSettings | None, list[Fault]]:
    """Turn TOML's values into settings, by the rules of JSON: arrays for tuples, and no text for a number."""
    pydantic = require("pydantic", EXTRA)
    adapter = pydantic.TypeAdapter(SiteSettings)
    try:
        return adapter.validate_json(json.dumps(values, default=str), strict=True), []
    except pydantic.ValidationError as error:
        return None, [_fault(each) for each in error.errors(include_url=False)]


def _fault(error: Mapping[str, Any]) -> Fault:
    """Say one fault that pydantic found in the words of TOML; texts may hold passwords and are not shown."""
    path, kind, value = tuple(error["loc"]), error["type"], error["input"]
    if kind == "unexpected_keyword_argument":
        return Fault(path, f"is not known{_nearest(path)}")
    if kind == "missing" and isinstance(path[-1], int):
        return Fault(path[:-1], f"must have more items, got {len(value)}")
    if kind == "missing":
        return Fault(path, "is missing")
    if kind == "too_long":
        limits = error["ctx"]
        return Fault(path, f"must have {limits['max_length']} items, got {limits['actual_length']}")
    if kind == "literal_error":
        return Fault(path, f"must be {error['ctx']['expected']}, got {shown(value)}")
    if kind in _WANTED:
        got = shown(value) if type(value) in (int, float) else _TOML_KINDS.get(type(value), "something else")
        return Fault(path, f"must be {_WANTED[kind]}, got {got}")
    return Fault(path, f"is wrong: {error['msg']}")


def _nearest(path: KeyPath) -> str:
    """Name the key that may have been meant, or all that there are."""
    tables = [part for part in path[:-1] if isinstance(part, str)]
    kinds = {"streams": StreamSettings, "zones": ZoneSettings, "serve": ServeSettings}
    kind: type[Any] = kinds[tables[-1]] if tables else SiteSettings
    known = [field.name for field in dataclasses.fields(kind)]
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"


def from_folder(settings: SiteSettings, folder: Path) -> SiteSettings:
    """Lead paths that are relative to a folder there; addresses and absolute paths stay."""

    def there(text: str) -> str:
        is_path = bool(text) and not _ADDRESS.match(text)
        return os.path.join(folder, text) if is_path else text  # unlike Path, with its / at the end

    def zone(one: ZoneSettings) -> ZoneSettings:
        return dataclasses.replace(one, outputs=tuple(map(there, one.outputs)))

    def stream(one: StreamSettings) -> StreamSettings:
        return dataclasses.replace(
            one,
            source=there(one.source),
            outputs=tuple(map(there, one.outputs)),
            zones=tuple(map(zone, one.zones)),
        )

    serve = settings.serve
    if serve is not None and serve.token_file is not None:
        serve = dataclasses.replace(serve, token_file=there(serve.token_file))
    return dataclasses.replace(
        settings,
        engine=there(settings.engine),
        streams=tuple(map(stream, settings.streams)),
        serve=serve,
    )

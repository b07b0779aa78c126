"""Turn what a checkpoint holds beside its weights into plain values: settings, names of classes, versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 8  # dictionaries and lists within each other
LONGEST = 10_000  # items of one list: a state of an optimiser is no setting
PLAIN = (str, bool, int, float)

_NOTHING = object()


def plain_values(content: Any) -> dict[str, Any]:
    """Take the plain values of a file's entries: text, numbers, and lists and dictionaries of them.

    Args:
        content: of the file, as PyTorch's reader gives it; tensors and stand-ins for objects are left out,
            and so is an entry that holds nothing else.
    """
    found = _plain(content, DEEPEST) if isinstance(content, Mapping) else {}
    return found if isinstance(found, dict) else {}


def _plain(value: Any, depth: int) -> Any:
    if value is None or type(value) in PLAIN:
        return value
    if depth == 0:
        return _NOTHING
    if isinstance(value, Mapping):
        items = {
            str(key): plain
            for key, item in value.items()
            if type(key) in PLAIN and (plain := _plain(item, depth - 1)) is not _NOTHING
        }
        return items if items or not value else _NOTHING
    if isinstance(value, (list, tuple)):
        if len(value) > LONGEST:
            return _NOTHING
        kept = [_plain(item, depth - 1) for item in value]
        return _NOTHING if any(item is _NOTHING for item in kept) else kept
    return _NOTHING

"""Refuse names of models that no client could call: they stand in addresses."""

from __future__ import annotations

import re

from edgeseg.errors import UsageError, shown

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ONLY_DOTS = re.compile(r"\.+")  # which lead out of a folder


def check_name(name: str) -> None:
    """Raise UsageError unless a name is the same as one segment of a URL, and as a folder."""
    if not _NAME.fullmatch(name) or _ONLY_DOTS.fullmatch(name):
        raise UsageError(
            f"no client can call a model {shown(name)}; give a --name of letters, digits, dots, - and _"
        )

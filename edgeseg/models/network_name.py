"""Turn `file.py:build?encoder=resnet18&depth=5` into the place of a function and its arguments."""

from __future__ import annotations

import ast
import re
from typing import Any
from urllib.parse import parse_qsl

from edgeseg.errors import UsageError

WITH_ARGUMENTS = re.compile(r"(?P<place>.*?:[^\W\d]\w*|[\w.-]+)\?(?P<query>.*)", re.DOTALL)
NOT_PYTHON = {"true": "True", "false": "False"}


def split_name(name: str) -> tuple[str, dict[str, Any]]:
    """Take the arguments off a network's name.

    They follow a question mark and are parted by `&`, as in an address of the web; what is a literal of
    Python is one (`5`, `None`, `(1,2)`), all else is text.

    Raises:
        UsageError: if they are no such arguments.
    """
    match = WITH_ARGUMENTS.fullmatch(name)
    if match is None:
        return name, {}
    arguments: dict[str, Any] = {}
    try:
        pairs = parse_qsl(match["query"], keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise UsageError(
            f"cannot read the arguments of {name}; write them as ?encoder=resnet18&depth=5"
        ) from error
    for key, text in pairs:
        if not key.isidentifier() or key in arguments:
            reason = "is given twice" if key in arguments else "is no name of an argument"
            raise UsageError(f"{key!r} {reason} in {name}")
        if text in NOT_PYTHON:
            raise UsageError(f"{key}={text} in {name} would be text; write {key}={NOT_PYTHON[text]}")
        arguments[key] = _value(text)
    return match["place"], arguments


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text

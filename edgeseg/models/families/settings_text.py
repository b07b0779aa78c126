"""Read settings that are written as a program of Python, by their literals alone; nothing of it is run.

OpenMMLab's libraries store the text of their configuration beside the weights: assignments of numbers, texts,
tuples, lists, and dictionaries, which are mostly written as calls, `dict(type='ResNet', depth=50)`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 1_000_000  # characters; the longest configurations have tens of thousands

_UNKNOWN = object()


def read_settings(text: str) -> dict[str, Any]:
    """Give the values that a text assigns to names, as far as they are literals.

    Args:
        text: a program of Python.

    Returns:
        By name; an entry of a dictionary that is no literal is left out, and so is a list that holds one.
        Empty where the text is no program.
    """
    if len(text) > LONGEST:
        return {}
    try:
        program = ast.parse(text)
        return dict(_assignments(program))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return {}


def settings_of(value: Any) -> Iterator[Mapping[str, Any]]:
    """Go through all dictionaries within a value, the outer ones first."""
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from settings_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from settings_of(item)


def _assignments(program: ast.Module) -> Iterator[tuple[str, Any]]:
    for statement in program.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            value = _literal(statement.value)
            if isinstance(target, ast.Name) and value is not _UNKNOWN:
                yield target.id, value


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        keys = [_UNKNOWN if key is None else _literal(key) for key in node.keys]
        return _known((key, _literal(value)) for key, value in zip(keys, node.values, strict=True))
    if isinstance(node, ast.Call):
        is_dict = isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args
        return _known((word.arg, _literal(word.value)) for word in node.keywords) if is_dict else _UNKNOWN
    if isinstance(node, ast.List | ast.Tuple):
        items = [_literal(item) for item in node.elts]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else items
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return _UNKNOWN


def _known(items: Iterator[tuple[Any, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if isinstance(key, str) and value is not _UNKNOWN}

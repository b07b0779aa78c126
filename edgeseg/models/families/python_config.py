"""Turn a configuration written as Python assignments, as OpenMMLab's checkpoints hold it, into plain values.

The text is parsed and never run: literals, `dict(key=value)`, and names that were assigned before are all
that counts; whatever else a value is made of leaves that value out.
"""

from __future__ import annotations

import ast
from typing import Any

from edgeseg.errors import CheckpointError
from edgeseg.limits import refuse_above

DEEPEST = 60  # brackets within each other

_NOTHING = object()


def read_python_config(text: str) -> dict[str, Any]:
    """Read the assignments of a configuration.

    Returns:
        Plain values by name; tuples stay tuples.

    Raises:
        CheckpointError: if it is larger than the limit of texts, or no Python.
    """
    refuse_above("text", len(text), "the configuration in the checkpoint", CheckpointError)
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CheckpointError(f"the configuration in the checkpoint is no Python: {error}") from error
    found: dict[str, Any] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign):
            value = _value(statement.value, found, DEEPEST)
            for target in statement.targets:
                if isinstance(target, ast.Name) and value is not _NOTHING:
                    found[target.id] = value
    return found


def _value(node: ast.expr, known: dict[str, Any], depth: int) -> Any:
    if depth == 0:
        return _NOTHING
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        # A container that is named again and again would unfold to more than memory.
        value = known.get(node.id, _NOTHING)
        return _NOTHING if isinstance(value, dict) and any(map(_is_container, value.values())) else value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand, known, depth - 1)
        return -value if type(value) in (int, float) else _NOTHING
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_value(item, known, depth - 1) for item in node.elts]
        kept = [item for item in items if item is not _NOTHING]
        return tuple(kept) if isinstance(node, ast.Tuple) else kept
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _value(key, known, depth - 1) for key in node.keys]
        return _entries(zip(keys, node.values, strict=True), known, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return _entries(((word.arg, word.value) for word in node.keywords), known, depth)
    return _NOTHING


def _entries(pairs: Any, known: dict[str, Any], depth: int) -> dict[str, Any]:
    """Take the entries whose key is text."""
    found = {}
    for key, node in pairs:
        value = _value(node, known, depth - 1) if isinstance(key, str) else _NOTHING
        if value is not _NOTHING:
            found[key] = value
    return found


def _is_container(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple))

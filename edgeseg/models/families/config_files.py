"""Turn JSON and YAML files of settings into plain values; nothing in them can run code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeseg.errors import CheckpointError
from edgeseg.extras import require
from edgeseg.limits import refuse_above
from edgeseg.reading import parse_json, read_text, reading

FIX = "download it again"
DEEPEST = 100  # nodes within each other


def read_config(path: Path) -> Any:
    """Read a file of settings.

    Raises:
        CheckpointError: if it cannot be read, names objects of Python, or is far larger than it looks; or if
            it is YAML, and PyYAML is not installed.
    """
    is_json = path.name.endswith(".json")
    with reading(path, CheckpointError, what="JSON" if is_json else "YAML", fix=FIX):
        text = read_text(path, CheckpointError)
        return parse_json(text, CheckpointError, str(path)) if is_json else _parse_yaml(text, path)


def _parse_yaml(text: str, path: Path) -> Any:
    """Read YAML by the loader that makes plain values alone."""
    try:
        yaml = require("yaml", "export")
    except ImportError as error:
        raise CheckpointError(f"{path} is YAML, and {error}") from error
    try:
        _refuse_bomb(yaml.compose(text, Loader=yaml.SafeLoader), path)
        return yaml.safe_load(text)
    except yaml.constructor.ConstructorError as error:
        raise CheckpointError(
            f"{path} names objects of Python, which are not made: {error.problem}"
        ) from error


def _refuse_bomb(root: Any, path: Path) -> None:
    """Refuse a document whose references to its own parts would make it far larger."""
    sizes: dict[int, int] = {}

    def size(node: Any, depth: int) -> int:
        if depth > DEEPEST:
            raise ValueError("nested too deep")
        if id(node) not in sizes:
            inner = node.value if isinstance(node.value, list) else []
            flat = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in flat)
        return sizes[id(node)]

    if root is not None:
        refuse_above("text", size(root, 0), f"{path}, with its references to itself", CheckpointError)

"""Read which operators a library takes, and of which types, from the tables in `operators/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from edgeseg.records import from_json_value, to_json_value

FOLDER = Path(__file__).parent / "operators"


@dataclass(frozen=True)
class TypedOperators:
    """Operators whose first input may have the same types.

    Attributes:
        types: ONNX's names, in small letters; none where any type is taken, or the source says none.
        operators: of ONNX's own domain.
    """

    types: tuple[str, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class OperatorTable:
    """The operators that a library takes; it refuses all others of ONNX's.

    Attributes:
        title: the library, with its version.
        source: the document, or the program, that says so.
    """

    title: str
    source: str
    typed: tuple[TypedOperators, ...]

    @cached_property
    def types_of(self) -> Mapping[str, frozenset[str]]:
        """Give the types of each operator that is taken; none for any type."""
        return {name: frozenset(group.types) for group in self.typed for name in group.operators}

    def to_json(self) -> str:
        """Write as JSON, a group of operators a line."""
        head = "".join(
            f"  {json.dumps(name)}: {json.dumps(getattr(self, name))},\n" for name in ("title", "source")
        )
        groups = ",\n".join(f"    {json.dumps(to_json_value(group))}" for group in self.typed)
        return f'{{\n{head}  "typed": [\n{groups}\n  ]\n}}\n'

    @classmethod
    def read(cls, path: Path) -> OperatorTable:
        """Read what `to_json` wrote. Raises SpecError."""
        return from_json_value(cls, json.loads(path.read_text()), where=path.name)


@cache
def operator_table(name: str) -> OperatorTable:
    """Read the table of this name, such as `tensorrt-10.3`, once."""
    return OperatorTable.read(FOLDER / f"{name}.json")

"""Describe a record as a JSON Schema (draft 2020-12), for programs that read its JSON without edgeseg.

The schema says what types and ranges say. What holds between fields is checked by the record itself.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from edgeseg.records import Range, to_json_value

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS = {int: "integer", float: "number", str: "string", bool: "boolean"}
_SECTION = re.compile(r"(?m)^(?:Attributes|Raises):\n")
_ATTRIBUTE = re.compile(r"(?m)^    (\w+(?:, \w+)*): ((?:.|\n      )+)")


def json_schema(record: type) -> Schema:
    """Describe what `to_json_value` makes of a dataclass of records and `from_json_value` takes for one.

    Descriptions are the docstrings'. A field without a default is required, and so is one that has but one
    value, such as a version; others that are left out have their defaults.
    """
    known: dict[str, Schema] = {}
    _refer_to(record, known)
    own = known.pop(record.__name__)
    return {"$schema": DIALECT, "title": record.__name__, **own, "$defs": dict(sorted(known.items()))}


def _refer_to(record: type, known: dict[str, Schema]) -> Schema:
    """Describe a record once, under its name; returns the reference to it."""
    if record.__name__ not in known:
        known[record.__name__] = {}  # taken, while its own fields are described
        known[record.__name__] = _described(record, known)
    return {"$ref": f"#/$defs/{record.__name__}"}


def _described(record: type, known: dict[str, Schema]) -> Schema:
    hints = get_type_hints(record, include_extras=True)
    text, said = _documentation(record)
    properties, required = {}, []
    for field in dataclasses.fields(record):
        schema = _schema(hints[field.name], known)
        if field.name in said:
            schema["description"] = said[field.name]
        if "const" in schema:
            required.append(field.name)
        elif field.default is not dataclasses.MISSING:
            schema["default"] = to_json_value(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            schema["default"] = to_json_value(field.default_factory())
        else:
            required.append(field.name)
        properties[field.name] = schema
    return {
        "description": text,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema(hint: Any, known: dict[str, Schema]) -> Schema:
    origin, parameters = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if dataclasses.is_dataclass(hint):
        return _refer_to(hint, known)  # type: ignore[arg-type]
    if origin is Annotated:
        allowed = next(parameter for parameter in parameters if isinstance(parameter, Range))
        if allowed.low == allowed.high:
            return {"const": allowed.low}
        low = "exclusiveMinimum" if allowed.above else "minimum"
        return {"type": _SCALARS[parameters[0]], low: allowed.low, "maximum": allowed.high}
    if origin is Literal:
        return {"enum": list(parameters)}
    if origin in (Union, types.UnionType):
        inner = [_schema(parameter, known) for parameter in parameters if parameter is not type(None)]
        return {"anyOf": [*inner, {"type": "null"}]} if type(None) in parameters else {"anyOf": inner}
    if origin is tuple:
        return _of_tuple(parameters, known)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(parameters[1], known)}
    return {"type": _SCALARS[hint]}


def _of_tuple(parameters: tuple[Any, ...], known: dict[str, Schema]) -> Schema:
    if parameters[1:] == (Ellipsis,):
        return {"type": "array", "items": _schema(parameters[0], known)}
    items = [_schema(parameter, known) for parameter in parameters]
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}


def _documentation(record: type) -> tuple[str, dict[str, str]]:
    """Give a docstring's text, and what it says of each attribute."""
    text, *sections = _SECTION.split(inspect.getdoc(record) or "")
    paragraphs = "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
    said = {
        name: " ".join(match[2].split())
        for section in sections
        for match in _ATTRIBUTE.finditer(section)
        for name in match[1].split(", ")
    }
    return paragraphs, said

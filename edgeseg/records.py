"""Turn frozen dataclasses into plain JSON values and back, checking every field on the way in."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edgeseg.errors import SpecError

Record = TypeVar("Record")


def to_plain(value: Any) -> Any:
    """Turn a dataclass (nested, with tuples and mappings inside) into dicts, lists and scalars."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_plain(record: type[Record], value: Any, *, where: str = "") -> Record:
    """Build the dataclass `record` from what `json.loads` returned.

    Args:
        where: the path of `value` within its document, for messages.

    Raises:
        SpecError: naming the field that is missing, unknown or of the wrong type.
    """
    if not isinstance(value, Mapping):
        raise SpecError(f"{where or record.__name__} must be an object, got {type(value).__name__}")
    hints = get_type_hints(record)
    fields = {field.name: field for field in dataclasses.fields(record)}  # type: ignore[arg-type]
    if unknown := sorted(set(value) - set(fields)):
        raise SpecError(f"{where or record.__name__} has unknown fields: {', '.join(unknown)}")
    arguments = {}
    for name, field in fields.items():
        path = f"{where}.{name}" if where else name
        if name in value:
            arguments[name] = _convert(hints[name], value[name], path)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SpecError(f"{path} is missing")
    return record(**arguments)


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin, parameters = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, where=path)  # type: ignore[arg-type]
    if origin is Literal:
        if value in parameters:
            return value
        raise SpecError(f"{path} must be one of {', '.join(map(repr, parameters))}, got {value!r}")
    if origin in (Union, types.UnionType):
        if value is None and type(None) in parameters:
            return None
        (inner,) = (p for p in parameters if p is not type(None))
        return _convert(inner, value, path)
    if origin is tuple:
        return _convert_tuple(parameters, value, path)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise SpecError(f"{path} must be an object, got {type(value).__name__}")
        return {key: _convert(parameters[1], item, f"{path}.{key}") for key, item in value.items()}
    return _convert_scalar(hint, value, path)


def _convert_tuple(parameters: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise SpecError(f"{path} must be a list, got {type(value).__name__}")
    if len(parameters) == 2 and parameters[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        parameters = (parameters[0],) * len(value)
    if len(parameters) != len(value):
        raise SpecError(f"{path} must have {len(parameters)} items, got {len(value)}")
    return tuple(
        _convert(p, item, f"{path}[{i}]") for i, (p, item) in enumerate(zip(parameters, value, strict=True))
    )


def _convert_scalar(hint: Any, value: Any, path: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # JSON does not tell 1 from 1.0
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise SpecError(f"{path} must be {hint.__name__}, got {type(value).__name__} {value!r}")
    return value

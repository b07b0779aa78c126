"""Convert frozen dataclasses to JSON values and back, checking every field, and every number's range."""

from __future__ import annotations

import dataclasses
import math
import numbers
import types
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from edgeseg.errors import RangeError, SpecError, shown

Record = TypeVar("Record")
LARGEST_INT = 2**63 - 1  # of a whole number without a range of its own
_PLAIN_BELOW = 1e10  # larger numbers are written as powers of ten


@dataclass(frozen=True)
class Range:
    """Which values a number may have, as a field's annotation says: `Annotated[int, Range(1, 8)]`.

    Attributes:
        low, high: smallest and largest, both included.
        above: leaves `low` itself out.
    """

    low: float
    high: float
    above: bool = False

    def __contains__(self, value: Any) -> bool:
        return bool(self.low < value if self.above else self.low <= value) and bool(value <= self.high)

    def __str__(self) -> str:
        low, high = _number(self.low), _number(self.high)
        return f"above {low} and at most {high}" if self.above else f"{low} to {high}"


def to_json_value(value: Any) -> Any:
    """Turn a dataclass (nested, with tuples, mappings and enums inside) into dicts, lists and scalars."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(to_json_value(key)): to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def from_json_value(record: type[Record], value: Any, *, where: str = "") -> Record:
    """Build the dataclass `record` from what `json.loads` returned.

    Args:
        where: the path of `value` within its document, for messages.

    Raises:
        SpecError: naming the field that is missing, unknown, of the wrong type or out of its range.
    """
    if not isinstance(value, Mapping):
        raise SpecError(f"{where or record.__name__} must be an object, got {type(value).__name__}")
    hints = _hints(cast(Hashable, record))
    fields = {field.name: field for field in dataclasses.fields(record)}  # type: ignore[arg-type]
    if unknown := sorted(set(value) - set(fields)):
        raise SpecError(f"{where or record.__name__} has unknown fields: {', '.join(map(_name, unknown))}")
    arguments = {}
    for name, field in fields.items():
        path = f"{where}.{name}" if where else name
        if name in value:
            arguments[name] = _convert(hints[name], value[name], path)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SpecError(f"{path} is missing")
    return record(**arguments)


class Ranged:
    """A dataclass that checks every number against its field's `Range`, whoever makes it.

    Raises:
        RangeError: naming the field, what it may be, and what it is.
    """

    def __post_init__(self) -> None:
        """Check all fields; overridden, it is called first."""
        for name, hint in _hints(cast(Hashable, type(self))).items():
            _check(hint, getattr(self, name), f"{type(self).__name__}.{name}")


@cache
def _hints(record: Hashable) -> dict[str, Any]:
    return get_type_hints(cast(type, record), include_extras=True)


def _check(hint: Any, value: Any, path: str) -> None:
    origin, parameters = get_origin(hint), get_args(hint)
    if origin is Annotated:
        _check_number(parameters[0], next(p for p in parameters if isinstance(p, Range)), value, path)
    elif origin in (Union, types.UnionType):
        if value is not None:
            for inner in parameters:
                _check(inner, value, path)
    elif origin is tuple and isinstance(value, Sequence):
        hints = (parameters[0],) * len(value) if parameters[1:] == (Ellipsis,) else parameters
        for index, (inner, item) in enumerate(zip(hints, value, strict=False)):
            _check(inner, item, f"{path}[{index}]")


def _check_number(kind: type, allowed: Range, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if kind is int else numbers.Real):
        wanted = "a whole number" if kind is int else "a number"
        raise RangeError(f"{path} must be {wanted}, {allowed}, got {_value(value)}")
    if value not in allowed:
        raise RangeError(f"{path} must be {allowed}, got {_value(value)}")


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin, parameters = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        converted = _convert_scalar(parameters[0], value, path)
        allowed = next(p for p in parameters if isinstance(p, Range))
        if converted not in allowed:
            raise SpecError(f"{path} must be {allowed}, got {_value(value)}")
        return converted
    if dataclasses.is_dataclass(hint):
        return from_json_value(hint, value, where=path)  # type: ignore[arg-type]
    if origin is Literal:
        if any(value == parameter and type(value) is type(parameter) for parameter in parameters):
            return value
        raise SpecError(f"{path} must be one of {', '.join(map(repr, parameters))}, got {shown(value)}")
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
        return {
            _convert(str, key, f"a name in {path}"): _convert(parameters[1], item, f"{path}.{_name(key)}")
            for key, item in value.items()
        }
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
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and abs(value) > LARGEST_INT:
        raise SpecError(f"{path} must be at most {LARGEST_INT}, got {_value(value)}")
    if hint is float and whole:
        return float(value)  # JSON does not tell 1 from 1.0
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise SpecError(f"{path} must be {hint.__name__}, got {type(value).__name__} {shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(f"{path} must be finite, got {value}")
    if isinstance(value, str) and any(map(_is_half_character, value)):
        raise SpecError(f"{path} must be text, got {shown(value)}")
    return value


def _is_half_character(character: str) -> bool:
    """Whether it is a surrogate, which JSON can hold and UTF-8 cannot."""
    return "\ud800" <= character <= "\udfff"


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else shown(value)


def _number(value: float) -> str:
    return str(int(value)) if abs(value) < _PLAIN_BELOW and float(value).is_integer() else f"{value:g}"


def _name(key: Any) -> str:
    return shown(key)[1:-1] if isinstance(key, str) else shown(key)

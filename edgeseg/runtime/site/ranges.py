"""Find the numbers in a site's settings that lie outside of their ranges, whoever filled them in."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from edgeseg.records import Range
from edgeseg.runtime.settings import SiteSettings
from edgeseg.runtime.site.faults import Fault, KeyPath


def out_of_range(settings: SiteSettings | Mapping[str, Any]) -> list[Fault]:
    """Look at every number that has a `Range`.

    Args:
        settings: or what is to become some, as TOML or JSON has it; values of other types are passed over.
    """
    return list(_within(SiteSettings, settings, ()))


def _within(hint: Any, value: Any, path: KeyPath) -> Iterator[Fault]:
    origin, parameters = get_origin(hint), get_args(hint)
    if origin is Annotated:
        allowed = next(parameter for parameter in parameters if isinstance(parameter, Range))
        if isinstance(value, (int, float)) and value not in allowed:
            yield Fault(path, f"must be {allowed}, got {value:g}")
    elif dataclasses.is_dataclass(hint):
        yield from _fields(hint, value, path)
    elif origin in (Union, types.UnionType):
        (inner,) = (parameter for parameter in parameters if parameter is not type(None))
        yield from _within(inner, value, path)
    elif origin is tuple and isinstance(value, (tuple, list)):
        hints = (parameters[0],) * len(value) if parameters[1:] == (Ellipsis,) else parameters
        for index, (inner, item) in enumerate(zip(hints, value, strict=False)):
            yield from _within(inner, item, (*path, index))


def _fields(record: Any, value: Any, path: KeyPath) -> Iterator[Fault]:
    hints = get_type_hints(record, include_extras=True)
    for name in (field.name for field in dataclasses.fields(record)):
        item = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        yield from _within(hints[name], item, (*path, name))

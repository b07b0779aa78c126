"""The flags of `edgeseg build` that only some backends have, made from their options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click

from edgeseg.cli.options import PATH, Number
from edgeseg.engines.flags import Flag, fields_of, flag_of
from edgeseg.engines.registry import backends, facts_of, part_of
from edgeseg.records import Range

Command = TypeVar("Command", bound=Callable[..., Any])


def backend_flags(command: Command) -> Command:
    """Give a command a flag for each option of each backend; one that is not given is None, or empty."""
    for flag in reversed(_flags()):
        command = flag(command)
    return command


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Take the options of backends that were given out of a command's arguments."""
    known = [field.name for kind in _kinds().values() for field in fields(kind)]
    options = {name: values.pop(name) for name in dict.fromkeys(known)}
    return {name: value for name, value in options.items() if value not in (None, ())}


def devices_help() -> str:
    """Say which devices there are for each backend, the first being the default."""
    listed = (f"{name} {', '.join(facts_of(name).devices)}" for name in backends())
    return f"By backend, the default first: {'; '.join(listed)}."


def _kinds() -> dict[str, type[Any]]:
    return {name: part_of(name, "options").BuildOptions for name in backends()}


def _flags() -> list[Callable[[Command], Command]]:
    """Make one flag an option; backends that share an option share the flag."""
    titles: dict[str, list[str]] = {}
    made: dict[str, tuple[Flag, Any]] = {}
    for backend, kind in _kinds().items():
        hints = get_type_hints(kind, include_extras=True)
        for name, flag in fields_of(kind).items():
            if made.setdefault(name, (flag, hints[name])) != (flag, hints[name]):
                raise TypeError(f"the option {name} of {backend} is another than that of {titles[name][0]}")
            titles.setdefault(name, []).append(facts_of(backend).title)
    return [_flag(name, *made[name], title=", ".join(titles[name])) for name in made]


def _flag(name: str, flag: Flag, hint: Any, *, title: str) -> Callable[[Command], Command]:
    names = (flag_of(name, flag), name)
    help_text = f"{title}: {flag.help}"
    kind = _without_none(hint)
    if kind is bool:
        return click.option(*names, is_flag=True, default=None, help=help_text)
    multiple = get_origin(kind) is tuple
    click_type = _click_type(get_args(kind)[0] if multiple else kind)
    return click.option(
        *names, type=click_type, multiple=multiple, metavar=flag.metavar or None, help=help_text
    )


def _without_none(hint: Any) -> Any:
    """Take off `| None`."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (kind for kind in get_args(hint) if kind is not type(None))
    return hint


def _click_type(kind: Any) -> click.ParamType[Any]:
    """Choose what reads values of a field's type from a command line."""
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if get_origin(kind) is Annotated:
        number, *notes = get_args(kind)
        allowed = next(note for note in notes if isinstance(note, Range))
        if number is int:
            return click.IntRange(int(allowed.low), int(allowed.high))
        return Number(allowed.low, allowed.high, min_open=allowed.above)
    return PATH if kind is Path else click.types.convert_type(kind)

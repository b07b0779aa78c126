"""What is asked of a CRF on the command line becomes a CRFSpec."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import click

from edgeseg.errors import shown
from edgeseg.spec import CRFSpec

CRF_STRIDES = (4, 8)  # of `edgeseg.export.crf`, which takes torch to import

_WHOLE = ("height", "iterations")
_FIELDS = {
    field.name: field.default
    for field in dataclasses.fields(CRFSpec)
    if field.default is not dataclasses.MISSING
}
CRF_PARAMETER_HELP = (
    f"NAME=VALUE, of {', '.join(f'{name}={value:g}' for name, value in _FIELDS.items())}, and height, the "
    "frame's height that widths in pixels hold for: by default the input's. May repeat."
)


class CRFParameter(click.ParamType[tuple[str, float]]):
    """`NAME=VALUE` of a CRFSpec, such as appearance_colour=13."""

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return name and number."""
        if isinstance(value, tuple):
            return value
        name, _, text = str(value).partition("=")
        names = ("height", *_FIELDS)
        if name not in names:
            self.fail(f"{shown(name)} is no parameter of the CRF; there are {', '.join(names)}", param, ctx)
        try:
            return name, int(text) if name in _WHOLE else float(text)
        except ValueError:
            kind = "a whole number" if name in _WHOLE else "a number"
            self.fail(f"{shown(text)} is not {kind}; write {name}={_FIELDS.get(name, 480):g}", param, ctx)


def crf_of(size_hw: tuple[int, int], parameters: Sequence[tuple[str, float]]) -> CRFSpec:
    """Put parameters over the defaults, for frames of the input's height where none is given."""
    values: dict[str, Any] = {"height": size_hw[0], **dict(parameters)}
    return CRFSpec(**values)

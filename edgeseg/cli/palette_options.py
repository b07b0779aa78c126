"""What commands take for colours: those of a data set or a file, and the class that stays unpainted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from edgeseg import label_sets
from edgeseg.errors import UsageError, shown
from edgeseg.palette import Background, RGBColour
from edgeseg.reading import read_text, reading
from edgeseg.spec import MAX_CLASSES, MAX_COLOUR

PALETTE_FORM = (
    "write one colour a line in the order of the classes, #rrggbb or r,g,b, or name a data set: "
    + ", ".join(label_sets.ALL)
)
HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
DECIMAL = re.compile(r"(\d{1,3})[,\s]\s*(\d{1,3})[,\s]\s*(\d{1,3})", re.ASCII)


class BackgroundClass(click.ParamType[Background]):
    """The id of a class, or `none`."""

    name = "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Background:
        """Return the number, or `none`."""
        if value == "none" or isinstance(value, int):
            background: Background = value
            return background
        if not re.fullmatch("[0-9]{1,3}", str(value)):
            self.fail(f"{shown(value)} is neither the id of a class nor none", param, ctx)
        return int(value)


def read_palette(path: Path) -> tuple[RGBColour, ...]:
    """Give a data set's colours, or read them from a file.

    Args:
        path: the name of a data set; or a file, a colour a line, `#rrggbb` or `r,g,b` with 0..255; blank
            lines are passed over.

    Raises:
        UsageError: if the file cannot be read, or a line is no colour.
    """
    if (known := label_sets.named(path)) is not None:
        return known.palette_rgb
    with reading(path, UsageError, what="a palette", fix=PALETTE_FORM):
        lines = [line.strip() for line in read_text(path, UsageError).splitlines()]
    colours = tuple(_colour(path, line) for line in lines if line)
    if not 1 <= len(colours) <= MAX_CLASSES:
        raise UsageError(f"{path} holds {len(colours)} colours, not 1 to {MAX_CLASSES}; {PALETTE_FORM}")
    return colours


def _colour(path: Path, line: str) -> RGBColour:
    if match := HEX.fullmatch(line):
        red, green, blue = (int(part, 16) for part in match.groups())
    elif match := DECIMAL.fullmatch(line):
        red, green, blue = (int(part) for part in match.groups())
    else:
        raise UsageError(f"{path}: {shown(line)} is no colour; {PALETTE_FORM}")
    if max(red, green, blue) > MAX_COLOUR:
        raise UsageError(f"{path}: {shown(line)} is no colour, parts are 0 to {MAX_COLOUR}; {PALETTE_FORM}")
    return red, green, blue

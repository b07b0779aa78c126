"""Hold the class names and colours of a data set, by class id."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeseg.palette import RGBColour


@dataclass(frozen=True)
class LabelSet:
    """What a data set calls its classes, and how it colours them.

    Attributes:
        name: as it is asked for.
        class_names: by class id; labels that are not counted are not among them.
        palette_rgb: a colour for each class.
        ignore_label: the value in its label maps that is not counted.
    """

    name: str
    class_names: tuple[str, ...]
    palette_rgb: tuple[RGBColour, ...]
    ignore_label: int = 255


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    return tuple(re.sub(r"\s+", " ", name).strip() for name in text.split(","))


def colours(text: str) -> tuple[RGBColour, ...]:
    """Read colours as `rrggbb`, with blanks between them."""
    return tuple((value[0], value[1], value[2]) for value in map(bytes.fromhex, text.split()))

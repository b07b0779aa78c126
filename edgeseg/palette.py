"""Turn class names into colours that people tell apart, colour-blind people too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Literal

RGBColour = tuple[int, int, int]
Background = int | Literal["named", "none"]

UNPAINTED_RGB: RGBColour = (0, 0, 0)
"""The colour of what is not to be seen in overlays: the background."""
NEARLY_BLACK_RGB: RGBColour = (1, 1, 1)  # a class that is black, and to be seen all the same

BACKGROUND_NAMES = frozenset(
    ("background", "bg", "void", "unlabeled", "unlabelled", "ignore", "none", "nothing")
)

# fmt: off
WELL_APART: tuple[RGBColour, ...] = (
    (75, 30, 225), (255, 135, 45), (90, 240, 255), (105, 75, 0), (60, 150, 150), (150, 120, 255),
    (255, 240, 180), (195, 45, 105), (15, 90, 75), (225, 255, 0), (150, 180, 135), (165, 120, 75),
    (150, 0, 135), (120, 195, 180), (180, 150, 210), (135, 105, 180), (30, 120, 120), (150, 15, 60),
    (240, 60, 15), (195, 255, 225), (195, 210, 120), (150, 90, 60), (255, 180, 225), (240, 60, 135),
    (165, 30, 255), (255, 150, 180), (180, 180, 255), (180, 210, 165), (180, 150, 90), (90, 135, 0),
    (45, 90, 180), (225, 210, 60),
)
# fmt: on
"""Each is as far as can be from black and from all before it, chosen greedily among colours of some chroma by
the least CIEDE2000 difference to normal eyes, protanopes, deuteranopes and tritanopes (Machado et al. 2009).

The first 7 and black differ by 18.9 or more, the first 11 by 14.9, the first 20 by 10, all 32 by 7.5.
"""

GENERATED_BASES = (2, 3, 5)  # of Halton's sequence, for red, green and blue
DARKEST, BRIGHTEST = 40, 255  # of the generated ones' channels


def default_palette(class_names: Sequence[str], background: Background = "named") -> tuple[RGBColour, ...]:
    """Give each class a colour; the background's is black, which overlays leave unpainted.

    Args:
        class_names: by class id.
        background: the class id of the background, or `none`; `named` is class 0, if its name says so.
    """
    if background == "named":
        background = 0 if class_names and means_background(class_names[0]) else "none"
    colours = _colours()
    return tuple(UNPAINTED_RGB if i == background else next(colours) for i in range(len(class_names)))


def with_background(palette_rgb: Sequence[RGBColour], background: Background) -> tuple[RGBColour, ...]:
    """Leave one class of a given palette unpainted, or (`none`) paint black ones too; `named`: neither."""
    if background == "named":
        return tuple(palette_rgb)
    if background == "none":
        return tuple(NEARLY_BLACK_RGB if colour == UNPAINTED_RGB else colour for colour in palette_rgb)
    return tuple(UNPAINTED_RGB if i == background else colour for i, colour in enumerate(palette_rgb))


def means_background(name: str) -> bool:
    """Tell whether a class of that name is the background."""
    return name.strip("_ ").casefold() in BACKGROUND_NAMES  # torchvision writes __background__


def _colours() -> Iterator[RGBColour]:
    """Give colours without end: the table's, then evenly spread others, none twice."""
    yield from WELL_APART
    given = set(WELL_APART)
    for index in count(1):
        shares = (_radical_inverse(index, base) for base in GENERATED_BASES)
        red, green, blue = (round(DARKEST + share * (BRIGHTEST - DARKEST)) for share in shares)
        if (red, green, blue) not in given:
            given.add((red, green, blue))
            yield red, green, blue


def _radical_inverse(index: int, base: int) -> float:
    """Mirror a number's digits at the point, 0..1."""
    result, weight = 0.0, 1.0
    while index:
        weight /= base
        index, digit = divmod(index, base)
        result += weight * digit
    return result

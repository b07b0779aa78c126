"""What a network expects of pixels, and who says so: what is read out of the files of a training library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeseg.errors import CheckpointError, shown
from edgeseg.spec import PerChannel

COLOURS = 3


@dataclass(frozen=True)
class Pixels:
    """What a network expects of pixels.

    Attributes:
        fields: of `Network`, by name.
        said: who says each.
        unknown: what is assumed.
    """

    fields: Mapping[str, Any]
    said: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def three_numbers(values: Any, what: str) -> PerChannel:
    """Read three numbers, one a colour, or one for all of them.

    Raises:
        CheckpointError: if they are none.
    """
    if isinstance(values, int | float):
        values = (values,) * COLOURS
    numbers = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else []
    if len(numbers) != COLOURS or not all(isinstance(number, int | float) for number in numbers):
        raise CheckpointError(f"{what} must be three numbers, got {shown(values)}")
    red, green, blue = map(float, numbers)
    return red, green, blue

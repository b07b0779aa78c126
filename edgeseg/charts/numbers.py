"""Write numbers as a reader takes them in: few digits, and a prefix for large ones."""

from __future__ import annotations

import math

DIGITS = 3  # that a figure is given with
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(value: float) -> str:
    """Write a round number in few characters: 0.5, 20, 3k, 1.5M."""
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.6g}{prefix}"
    return f"{value:.6g}"


def significant(value: float, digits: int = DIGITS) -> str:
    """Write a figure with so many digits, and with all before its point: 0.0123, 1.23, 12.3, 1234."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{decimals}f}"

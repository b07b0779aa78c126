"""Refuse a picture that declares too many pixels, before anything is allocated for it."""

from __future__ import annotations

from edgeseg.errors import SourceError
from edgeseg.limits import refuse_above


def check_pixels(name: str, width: int, height: int) -> None:
    """Look at a declared size. Raises SourceError if it is empty, or above the limit `pixels`."""
    if width < 1 or height < 1:
        raise SourceError(f"{name} declares {width}x{height} pixels; it is damaged")
    refuse_above("pixels", width * height, f"{name}: a picture of {width}x{height}", SourceError)

"""Say how many pixels a frame may have, and refuse a file that declares more before anything is allocated."""

from __future__ import annotations

import os

from edgeseg.errors import SourceError, UsageError

# 8192 x 8192. A frame of so many pixels takes 192 MiB, and frame, labels, overlay and what decoding takes
# beside them stay within 1 GB; 8K video has 33 million.
MAX_PIXELS = 1 << 26
VARIABLE = "EDGESEG_MAX_PIXELS"  # raises it (or lowers it) for images and videos alike


def max_pixels() -> int:
    """Return how many pixels a frame may have: EDGESEG_MAX_PIXELS, else MAX_PIXELS.

    Raises:
        UsageError: if the variable is not a number of 1 or more.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return MAX_PIXELS
    if not (text.isascii() and text.isdigit() and int(text[:20]) >= 1):
        raise UsageError(f"{VARIABLE} must be a number of pixels, 1 or more, got {text[:40]!r}")
    return int(text[:20])


def check_pixels(name: str, width: int, height: int) -> None:
    """Look at a declared size. Raises SourceError if it is empty or has more pixels than `max_pixels`."""
    if width < 1 or height < 1:
        raise SourceError(f"{name} declares {width}x{height} pixels; it is damaged")
    if width * height > max_pixels():
        raise SourceError(
            f"{name} declares {width}x{height} pixels, more than the {max_pixels()} that a frame may have; "
            f"if it is meant, set {VARIABLE}={width * height}"
        )

"""Turn a polygon in fractions of the frame into the pixels within it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.runtime.settings import Polygon

FEWEST_CORNERS = 3


def check_polygon(polygon: Polygon, *, what: str = "a region") -> None:
    """Look at a polygon that somebody wrote.

    Raises:
        UsageError: if it has fewer than three corners, a corner outside of the frame, or no area.
    """
    if len(polygon) < FEWEST_CORNERS:
        raise UsageError(
            f"{what} is a polygon of at least {FEWEST_CORNERS} corners, got {len(polygon)}; write x,y of "
            "each, such as 0,0.5 1,0.5 1,1 0,1"
        )
    for x, y in polygon:
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise UsageError(
                f"the corners of {what} are fractions of the frame's width and height, 0 to 1, got "
                f"{x:g},{y:g}; divide pixels by width and height"
            )
    if not polygon_mask(polygon, (1000, 1000)).any():
        raise UsageError(f"{what} holds nothing: its corners lie on one line; move one of them")


def polygon_mask(polygon: Polygon, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Mark the pixels whose centre lies within a polygon.

    A centre on an edge belongs to the side right of it, or below: polygons that share an edge share no pixel.
    Where a polygon crosses itself the even-odd rule of SVG holds.

    Args:
        polygon: corners in fractions of width and height; the last is joined to the first.
        size_hw: of the mask, in pixels.

    Returns:
        (H, W) bool.
    """
    height, width = size_hw
    # OpenCV's fillPoly also fills what its edges touch, up to a pixel around
    crossings = np.zeros((height, width + 1), np.uint8)
    centres = np.arange(height) + 0.5
    corners = np.array([*polygon, polygon[0]], np.float64) * (width, height)
    for edge in pairwise(corners):
        # from above to below whichever way it runs, so that polygons that share an edge round it alike
        (x1, y1), (x2, y2) = sorted(edge, key=lambda corner: (corner[1], corner[0]))
        rows = np.flatnonzero((y1 <= centres) != (y2 <= centres))
        x = x1 + (centres[rows] - y1) * (x2 - x1) / (y2 - y1 or 1)
        columns = np.ceil(x - 0.5).clip(0, width).astype(np.intp)
        crossings[rows, columns] ^= 1
    inside: NDArray[np.bool_] = np.bitwise_xor.accumulate(crossings, axis=1)[:, :-1].astype(np.bool_)
    return inside

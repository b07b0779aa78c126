"""Turn a picture as it is stored into the picture as it is meant to be seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Orientation(NamedTuple):
    """How a stored picture becomes an upright one: exchange rows and columns first, then mirror.

    Attributes:
        transposed: rows become columns.
        left_right, upside_down: mirrored in that direction, after the exchange.
    """

    transposed: bool = False
    left_right: bool = False
    upside_down: bool = False

    @classmethod
    def from_matrix(cls, a: int, b: int, c: int, d: int) -> Orientation:
        """Read a display matrix, (x, y) -> (a x + c y, b x + d y), as ISO/IEC 14496-12 and FFmpeg have it.

        Of angles between the quarter turns the nearest quarter turn is taken.
        """
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def turned_left(self, quarters: int) -> Orientation:
        """Add quarter turns against the clock."""
        turned = self
        for _ in range(quarters % 4):  # a turn to the left is an exchange, then upside down
            turned = Orientation(not turned.transposed, turned.upside_down, not turned.left_right)
        return turned

    def mirrored(self, *, left_right: bool) -> Orientation:
        """Add a mirror: left to right, or else top to bottom."""
        if left_right:
            return self._replace(left_right=not self.left_right)
        return self._replace(upside_down=not self.upside_down)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the upright picture of (H, W, 3), C-contiguous; `image` itself where it is upright."""
        if self == UPRIGHT:
            return image
        turned = image.swapaxes(0, 1) if self.transposed else image
        if self.left_right:
            turned = turned[:, ::-1]
        if self.upside_down:
            turned = turned[::-1]
        return np.ascontiguousarray(turned)


UPRIGHT = Orientation()

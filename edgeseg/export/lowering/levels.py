"""Compute the areas from which a box is pooled from the next coarser level, of pyramid strides."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeseg.models.operators import CANONICAL_LEVEL, CANONICAL_SIZE, LEVEL_EPSILON


def least_areas(strides: Sequence[int]) -> list[float]:
    """Give the smallest area, in square pixels, of a box on each level but the finest.

    floor(4 + log2(sqrt(area) / 224) + 1e-6) >= level, solved for the area. Comparing areas spares the graph
    a square root, a logarithm and a floor for every box. The epsilon is the operator's: a box this close
    below a level's size, in octaves, is on it.

    Args:
        strides: input pixels per cell of each level, finest first. Map i is of level log2(strides[0]) + i;
            none is coarser than the last stride's: of MobileNet's two maps of stride 32 one is never read.
    """
    finest, coarsest = (round(math.log2(stride)) for stride in (strides[0], strides[-1]))
    sizes = [
        CANONICAL_SIZE * 2.0 ** (level - CANONICAL_LEVEL - LEVEL_EPSILON) if level <= coarsest else math.inf
        for level in range(finest + 1, finest + len(strides))
    ]
    return [size**2 for size in sizes]

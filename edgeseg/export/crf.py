"""Choose the stride of a graph's CRF, and refuse what would not fit into memory."""

from __future__ import annotations

import math

from edgeseg.errors import UsageError
from edgeseg.models.in_graph_crf import FLOAT_BYTES, kernel_bytes

STRIDES = (4, 8)  # pixels
SMALL_BYTES = 2**28  # a kernel that every engine has room for, and reads in tens of milliseconds
MOST_BYTES = 2**31  # an engine holds the kernel twice, before and after its exponential


def stride_of(size_hw: tuple[int, int], batch: int, asked: int | None = None) -> int:
    """Take the stride that is asked for, or else the smallest whose kernel is small, or else the largest.

    Raises:
        UsageError: if there is no such stride, or its kernel would be absurdly large; it says what fits.
    """
    if asked is not None and asked not in STRIDES:
        raise UsageError(f"the CRF's stride must be {' or '.join(map(str, STRIDES))}, got {asked}")
    taken = {stride: batch * kernel_bytes(size_hw, stride) for stride in STRIDES}
    small = (stride for stride in STRIDES if taken[stride] <= SMALL_BYTES)
    stride = asked or next(small, STRIDES[-1])
    if taken[stride] > MOST_BYTES:
        raise UsageError(
            f"the CRF's kernel of all pairs of cells would take {_gib(taken[stride])} at stride {stride} for "
            f"{batch} x {size_hw[0]}x{size_hw[1]}, at most {_gib(MOST_BYTES)} are sensible; "
            f"{_fix(size_hw, batch, taken)}"
        )
    return stride


def _fix(size_hw: tuple[int, int], batch: int, taken: dict[int, int]) -> str:
    """Say which stride fits, or which size."""
    fits = next((stride for stride in STRIDES if taken[stride] <= MOST_BYTES), None)
    if fits is not None:
        return f"use --crf-stride {fits} ({_gib(taken[fits])})"
    coarsest = STRIDES[-1]
    cells = math.sqrt(MOST_BYTES / FLOAT_BYTES / batch)
    scale = coarsest * math.sqrt(cells / (size_hw[0] * size_hw[1]))  # of the sides
    height, width = (max(1, int(side * scale / coarsest)) * coarsest for side in size_hw)
    smaller = f"export at --size {height}x{width} or less"
    return f"{smaller}, or with a smaller --batch" if batch > 1 else smaller


def _gib(count: int) -> str:
    return f"{count / 2**30:.2g} GiB"

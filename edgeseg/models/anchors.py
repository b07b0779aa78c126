"""Turn the sizes of feature maps into anchor boxes, the boxes a detector starts from.

Every cell of a map carries the same few anchors, centred on the pixel where the cell's patch begins. The
region proposal network then says, per anchor, whether an object is near and how to move the anchor onto it
(Faster R-CNN, Ren et al. 2015). Anchors depend on the image's size alone, so an export holds them as
constants; they are computed in numpy to keep them out of the traced graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CACHED_IMAGE_SIZES = 4

Sizes = tuple[float, ...]


def cell_anchors(
    sizes: Sequence[float], aspect_ratios: Sequence[float], *, whole_pixels: bool = True
) -> NDArray[np.float32]:
    """Build the anchors of one cell, around the origin.

    Args:
        sizes: square roots of the anchors' areas, in pixels.
        aspect_ratios: height over width.
        whole_pixels: round them.

    Returns:
        (A, 4) xyxy in pixels, A = len(aspect_ratios) * len(sizes), sizes varying fastest.
    """
    stretch = np.sqrt(np.asarray(aspect_ratios, np.float32))[:, None]  # (R, 1)
    side = np.asarray(sizes, np.float32)[None, :]  # (1, S)
    width = (side / stretch).ravel()
    height = (side * stretch).ravel()
    anchors = np.stack([-width, -height, width, height], axis=1) / 2
    return (np.round(anchors) if whole_pixels else anchors).astype(np.float32)


def grid_anchors(
    cell: NDArray[np.float32], grid_hw: tuple[int, int], stride_hw: tuple[int, int]
) -> NDArray[np.float32]:
    """Repeat one cell's anchors over a map.

    Args:
        cell: (A, 4) from `cell_anchors`.
        grid_hw: cells of the map.
        stride_hw: pixels from one cell to the next.

    Returns:
        (A * H * W, 4) xyxy, in the order in which a convolution with A output channels lists its cells.
    """
    y, x = (np.arange(n, dtype=np.float32) * step for n, step in zip(grid_hw, stride_hw, strict=True))
    shift_y, shift_x = np.meshgrid(y, x, indexing="ij")
    shifts = np.stack([shift_x, shift_y, shift_x, shift_y], axis=-1)  # (H, W, 4)
    return (cell[:, None, None] + shifts).reshape(-1, 4)


@lru_cache(maxsize=CACHED_IMAGE_SIZES)
def pyramid_anchors(
    sizes: tuple[Sizes, ...],
    aspect_ratios: Sizes,
    grids_hw: tuple[tuple[int, int], ...],
    strides_hw: tuple[tuple[int, int], ...],
    *,
    whole_pixels: bool = True,
) -> tuple[NDArray[np.float32], ...]:
    """Build the anchors of every level of a pyramid.

    Args:
        sizes: of the anchors of each level, finest first.
        aspect_ratios: height over width, the same on all levels.
        grids_hw: cells of each level.
        strides_hw: pixels from one cell to the next.
        whole_pixels: round the anchors of a cell.

    Returns:
        One (A * H_l * W_l, 4) array a level; shared between calls, not to be written to.
    """
    return tuple(
        grid_anchors(cell_anchors(level_sizes, aspect_ratios, whole_pixels=whole_pixels), grid, stride)
        for level_sizes, grid, stride in zip(sizes, grids_hw, strides_hw, strict=True)
    )

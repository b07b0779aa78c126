"""Put the labels or logits of tiles together to those of the whole canvas.

Logits are blended on their own grid, before anything is brought to the frame, so that all that follows
(upsampling, confidence, a CRF) sees one frame. Weights are products of one for rows and one for columns.
Where neighbours overlap, a tile's weight is 0 in the quarter of the overlap at its border, where the network
saw least of what is around, and rises smoothly to 1 over the half in the middle: weights of all tiles sum to
1 at every sample. Tiles are laid over each other one by one, the new one as far as its weight goes, so that
where they agree the blend is what they say, to the last bit.

Labels cannot be blended: each tile's own reach to the middle of the overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.upsample import upsampled_planes
from edgeseg.runtime.tiles.mosaic import Mosaic

BORDER = 0.25  # of an overlap, at each end of it, in which only one tile counts


def joined(outputs: Mapping[str, NDArray[Any]], mosaic: Mosaic) -> dict[str, NDArray[Any]]:
    """Give the outputs of a semantic network for the whole canvas.

    Args:
        outputs: `labels` (K, H, W) uint8 or `logits` (K, C, h, w) float32 of K tiles.

    Returns:
        The same by name, (1, ...), to be brought to the frame as `mosaic` says, a Placement.
    """
    if "labels" in outputs:
        return {"labels": joined_labels(outputs["labels"], mosaic)[None]}
    return {"logits": blended_logits(outputs["logits"], mosaic)[None]}


def joined_labels(labels: NDArray[np.uint8], mosaic: Mosaic) -> NDArray[np.uint8]:
    """Put labels (K, H, W) together, seams in the middle of overlaps: (canvas height, canvas width)."""
    canvas = np.empty(mosaic.input_hw, np.uint8)
    height, width = mosaic.tile_hw
    row_ends, column_ends = _seams(mosaic.tops, height), _seams(mosaic.lefts, width)
    tiles = iter(labels)
    for top, rows in zip(mosaic.tops, row_ends, strict=True):
        for left, columns in zip(mosaic.lefts, column_ends, strict=True):
            canvas[rows, columns] = next(tiles)[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
    return canvas


def blended_logits(logits: NDArray[np.float32], mosaic: Mosaic) -> NDArray[np.float32]:
    """Blend logits (K, C, h, w) on the canvas's grid: (C, canvas height / stride, canvas width / stride).

    Logits whose grid does not divide the input have no grid in common, and are brought to its pixels first.
    """
    grid_hw = logits.shape[2:]
    if any(side % count for side, count in zip(mosaic.tile_hw, grid_hw, strict=True)):
        alone = Placement(mosaic.tile_hw, mosaic.tile_hw, 0, 0, *mosaic.tile_hw)
        logits = np.stack([np.stack(list(upsampled_planes(tile, alone))) for tile in logits])
        grid_hw = logits.shape[2:]
    rows, columns = (
        _Axis([start * count // side for start in starts], count)
        for starts, count, side in zip((mosaic.tops, mosaic.lefts), grid_hw, mosaic.tile_hw, strict=True)
    )
    classes = logits.shape[1]
    canvas = np.empty((classes, rows.end, columns.end), np.float32)
    strip = np.empty((classes, rows.count, columns.end), np.float32)  # of one row of tiles
    tiles = iter(logits)
    for row in range(len(rows.starts)):
        for column in range(len(columns.starts)):
            columns.lay(strip, next(tiles), column)
        rows.lay(canvas.swapaxes(1, 2), strip.swapaxes(1, 2), row)
    return canvas


class _Axis:
    """Where tiles of `count` samples lie along one axis, and how far each covers those laid before it."""

    def __init__(self, starts: Sequence[int], count: int) -> None:
        self.starts = starts
        self.count = count
        self.end = starts[-1] + count
        self._cover = cover(starts, count)

    def lay(self, under: NDArray[np.float32], tile: NDArray[np.float32], number: int) -> None:
        """Lay one tile (C, n, count) over what is there, (C, n, end): this axis is the last."""
        share = self._cover[number]
        seen, hidden = np.flatnonzero(share), np.flatnonzero(share == 1)
        mixed, alone = slice(seen[0], hidden[0]), slice(hidden[0], seen[-1] + 1)
        there = under[..., self.starts[number] : self.starts[number] + self.count]
        there[..., mixed] += (tile[..., mixed] - there[..., mixed]) * share[mixed]
        there[..., alone] = tile[..., alone]


def cover(starts: Sequence[int], count: int) -> list[NDArray[np.float32]]:
    """Say how far each tile of `count` samples covers those laid before it, (count,) in 0..1."""
    weights = tile_weights(starts, count)
    laid = np.zeros(starts[-1] + count)
    shares = []
    for start, weight in zip(starts, weights, strict=True):
        there = laid[start : start + count]
        there += weight
        shares.append(np.divide(weight, there, out=np.zeros(count), where=weight > 0).astype(np.float32))
    return shares


def tile_weights(starts: Sequence[int], count: int) -> list[NDArray[np.float64]]:
    """Give the weights (count,) of each tile along one axis; at every sample those of all sum to 1."""
    total = np.zeros(starts[-1] + count)
    weights = []
    for i, start in enumerate(starts):
        before = starts[i - 1] + count - start if i else 0
        behind = start + count - starts[i + 1] if i + 1 < len(starts) else 0
        weight = _ramp(count, before) * _ramp(count, behind)[::-1]
        total[start : start + count] += weight
        weights.append(weight)
    return [weight / total[start : start + count] for start, weight in zip(starts, weights, strict=True)]


def _ramp(count: int, overlap: int) -> NDArray[np.float64]:
    """Rise from 0 to 1 over the middle of an overlap at the first of `count` samples; 1 without any."""
    if overlap <= 0:
        return np.ones(count)
    part = ((np.arange(count) + 0.5) / overlap - BORDER) / (1 - 2 * BORDER)
    part = np.clip(part, 0, 1)
    rising: NDArray[np.float64] = part * part * (3 - 2 * part)
    return rising


def _seams(starts: Sequence[int], size: int) -> list[slice]:
    """Give the part of the canvas that each tile fills, up to the middle of its overlaps."""
    middles = [(after + before + size) // 2 for before, after in pairwise(starts)]
    edges = [0, *middles, starts[-1] + size]
    return [slice(*ends) for ends in pairwise(edges)]

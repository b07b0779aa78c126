"""Turn logits on a network's coarse grid into frame-size labels: the argmax of their bilinear upsampling.

Each frame pixel is one bilinear sample of the grid: its centre goes through the resize and the padding to
the network's input and on to the grid (align_corners=False), so nothing is resampled twice.

Four neighbouring samples bound a cell. Inside, interpolation weighs the corners with non-negative weights
that sum to 1, which saves nearly all of the work and changes no label (but for ties within rounding):

- A class that is best at all four corners is best in the whole cell. Only mixed cells, the borders between
  regions, are interpolated.
- Let e be the mean of the classes that are best at the corners, one for each corner. At every point of the
  cell the best class reaches at least e, a mean cannot exceed the largest. So a class that lies below e at
  all four corners wins nowhere inside, and only the few others of the mixed cell are interpolated.

Logits that change class from sample to sample, as noise does, leave nothing to save; they cost about as much
as resizing all classes and taking the argmax. Of two classes the second is best where its lead over
the first, a single plane, is interpolated to more than 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.opencv import cv2, is_installed

_TWO = 2  # classes, for which one comparison is enough
_CHUNK_PIXELS = 1 << 16  # interpolated at a time: 256 KiB of float32, which a core's cache holds


def argmax_labels(logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pick the class with the largest of (C, H, W) finite scores for every pixel; ties go to the lower id.

    A running maximum over whole planes: 5 to 15 times as fast as `logits.argmax(axis=0)`.
    """
    size_hw = logits.shape[1:]
    if len(logits) == 1:
        return np.zeros(size_hw, np.uint8)
    wins: NDArray[np.bool_] = logits[1] > logits[0]
    if len(logits) == _TWO:
        return wins.view(np.uint8)
    labels = wins.astype(np.uint8)
    best = np.maximum(logits[0], logits[1])
    winner = wins.view(np.uint8)
    for class_id in range(2, len(logits)):
        np.greater(logits[class_id], best, out=wins)
        np.multiply(winner, np.uint8(class_id), out=winner)
        np.maximum(labels, winner, out=labels)  # ids ascend, so the larger one is the later winner
        np.maximum(best, logits[class_id], out=best)
    return labels


def upsampled_labels(logits: NDArray[np.float32], placement: Placement) -> NDArray[np.uint8]:
    """Label every frame pixel with the argmax of the bilinearly upsampled logits.

    Args:
        logits: (C, h, w), C-contiguous and finite, spread evenly over the whole input.

    Returns:
        (H, W) class ids at frame size; ties go to the lower id.
    """
    if len(logits) == _TWO and placement.fills_input and is_installed():
        wins: NDArray[np.bool_] = cv2.resize(logits[1] - logits[0], placement.frame_hw[::-1]) > 0
        return wins.view(np.uint8)
    grid_labels = argmax_labels(logits)
    rows, columns = _axes(placement, (logits.shape[1], logits.shape[2]))
    if rows.is_grid and columns.is_grid:
        return grid_labels
    # with a border of one, the corners of cell (i, j) are the samples of rows i, i + 1 and columns j, j + 1
    samples = _bordered(grid_labels)
    labels = samples.take(columns.cell, axis=1).take(rows.cell, axis=0)
    across = samples[:, 1:] != samples[:, :-1]
    mixed = across[:-1]
    mixed |= across[1:]
    mixed |= samples[1:, :-1] != samples[:-1, :-1]
    cells = np.flatnonzero(mixed)
    if rows.has_empty or columns.has_empty:
        held = (rows.length > 0)[:, None] & (columns.length > 0)
        cells = cells[held.reshape(-1)[cells]]
    if len(cells):
        _label_cells(labels, logits, grid_labels, (rows, columns), cells)
    return labels


def upsampled_planes(logits: NDArray[np.float32], placement: Placement) -> Iterator[NDArray[np.float32]]:
    """Upsample the logits of every class to the frame, one (H, W) plane after another.

    Takes what `upsampled_labels` takes. A plane may be part of `logits`: read it, do not write to it.
    """
    rows, columns = _axes(placement, (logits.shape[1], logits.shape[2]))
    for plane in logits:
        if rows.is_grid and columns.is_grid:
            yield plane
            continue
        wide = _lerp(plane, columns, axis=1)  # (h, W)
        yield _lerp(wide, rows, axis=0)  # (H, W)


@dataclass(frozen=True)
class _Axis:
    """How the frame's pixels along one axis fall into the cells between the grid's samples.

    `count` samples bound `count` + 1 cells; the first and the last reach outwards from one sample alone.
    """

    cell: NDArray[np.intp]  # (pixels,) the cell of each pixel, ascending
    weight: NDArray[np.float32]  # (pixels,) of the sample after the pixel, 0..1
    before: NDArray[np.intp]  # (cells,) the sample before each cell
    after: NDArray[np.intp]  # (cells,) the sample after each cell
    length: NDArray[np.intp]  # (cells,) how many pixels each cell holds
    members: NDArray[np.intp]  # (cells, longest) the pixels of each cell, the last one repeated
    weights: NDArray[np.float32]  # (cells, longest) `weight` of `members`
    has_empty: bool  # some cell holds no pixel
    is_grid: bool  # every pixel lies exactly on the sample of its own number

    @classmethod
    def of(cls, positions: NDArray[np.float64], count: int) -> _Axis:
        below = np.floor(positions).astype(np.intp)
        cells = np.arange(count + 1)
        first = np.searchsorted(below, cells - 1)
        length = np.searchsorted(below, cells - 1, side="right") - first
        step = np.minimum(np.arange(int(length.max())), np.maximum(length[:, None] - 1, 0))
        members = np.minimum(first[:, None] + step, len(positions) - 1)
        weight = (positions - below).astype(np.float32)
        return cls(
            cell=below + 1,
            weight=weight,
            before=np.maximum(cells - 1, 0),
            after=np.minimum(cells, count - 1),
            length=length,
            members=members,
            weights=weight[members],
            has_empty=not length.all(),
            is_grid=np.array_equal(positions, np.arange(count)),
        )


@lru_cache(maxsize=8)  # cameras, not frames: a stream keeps its size
def _axes(placement: Placement, grid_hw: tuple[int, int]) -> tuple[_Axis, _Axis]:
    rows, columns = grid_hw
    return _Axis.of(placement.sample_rows(rows), rows), _Axis.of(placement.sample_columns(columns), columns)


def _bordered(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the outermost samples of (h, w) once: (h + 2, w + 2)."""
    bordered = np.empty((labels.shape[0] + 2, labels.shape[1] + 2), np.uint8)
    bordered[1:-1, 1:-1] = labels
    bordered[[0, -1]] = bordered[[1, -2]]
    bordered[:, [0, -1]] = bordered[:, [1, -2]]
    return bordered


def _lerp(plane: NDArray[np.float32], along: _Axis, *, axis: int) -> NDArray[np.float32]:
    """Interpolate a plane linearly at the pixels of one axis."""
    weight = along.weight if axis else along.weight[:, None]
    values: NDArray[np.float32] = plane.take(along.before[along.cell], axis=axis)
    rise = plane.take(along.after[along.cell], axis=axis)
    rise -= values
    rise *= weight
    values += rise
    return values


class _Contenders(NamedTuple):
    """The classes that can win somewhere in each of n cells."""

    ids: NDArray[np.intp]  # of all cells, one cell after another, ascending within a cell
    start: NDArray[np.intp]  # (n,) where each cell's begin
    counts: NDArray[np.intp]  # (n,) how many each cell has, at least 2


def _label_cells(
    labels: NDArray[np.uint8],
    logits: NDArray[np.float32],
    grid_labels: NDArray[np.uint8],
    axes: tuple[_Axis, _Axis],
    cells: NDArray[np.intp],  # (n,) row by row
) -> None:
    """Overwrite the pixels of mixed cells in `labels`."""
    rows, columns = axes
    cell_rows, cell_columns = np.divmod(cells, len(columns.length))
    width = logits.shape[2]
    above, below = rows.before[cell_rows] * width, rows.after[cell_rows] * width
    before, after = columns.before[cell_columns], columns.after[cell_columns]
    corners = np.stack((above + before, above + after, below + before, below + after))  # (4, n), flat samples
    values = logits.reshape(len(logits), -1).take(corners, axis=1)  # (C, 4, n)
    contenders = _contenders(values, grid_labels.reshape(-1)[corners])
    order = np.argsort(-contenders.counts, kind="stable")
    flat_labels = labels.reshape(-1)
    chunk = max(1, _CHUNK_PIXELS // (rows.members.shape[1] * columns.members.shape[1]))
    for begin in range(0, len(order), chunk):
        part = order[begin : begin + chunk]
        row, column = cell_rows[part], cell_columns[part]
        found = _best_in_cells(values, contenders, part, rows.weights[row], columns.weights[column])
        pixels = (rows.members[row] * labels.shape[1])[:, :, None] + columns.members[column][:, None, :]
        flat_labels[pixels] = found


def _contenders(values: NDArray[np.float32], corner_labels: NDArray[np.uint8]) -> _Contenders:
    """Find the classes that are not below the mean of the corners' best ones; see the module's docstring.

    Args:
        values: (C, 4, n) logits at the cells' corners.
        corner_labels: (4, n) the best class of each corner.
    """
    cells = np.arange(values.shape[2])
    possible = np.zeros((len(values), len(cells)), np.bool_)
    possible[corner_labels, cells] = True  # whatever rounding does to the mean
    for corner in range(len(corner_labels)):
        mean_of_best = values[corner_labels, corner, cells].mean(axis=0)  # (n,)
        possible |= values[:, corner] >= mean_of_best
    counts = possible.sum(axis=0)
    return _Contenders(np.flatnonzero(possible.T) % len(values), np.cumsum(counts) - counts, counts)


def _best_in_cells(
    values: NDArray[np.float32],
    contenders: _Contenders,
    cells: NDArray[np.intp],
    row_weights: NDArray[np.float32],
    column_weights: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Give the labels (k, Ky, Kx) of `cells` (k,), which come in descending order of their contenders.

    Contenders are compared by their lead over the cell's first one, which then needs no interpolation.
    """
    start, counts = contenders.start[cells], contenders.counts[cells]
    first = contenders.ids[start]
    base = values[first, :, cells]  # (k, 4)
    labels = np.empty((len(cells), row_weights.shape[1], column_weights.shape[1]), np.uint8)
    labels[:] = first[:, None, None]
    best: NDArray[np.float32] | None = None  # lead of the best so far; None stands for the first one's 0
    for rank in range(1, int(counts[0])):
        k = int(np.searchsorted(-counts, -rank))  # cells with more than `rank` contenders
        class_ids = contenders.ids[start[:k] + rank]
        lead = _interpolate(values[class_ids, :, cells[:k]] - base[:k], row_weights[:k], column_weights[:k])
        previous = np.float32(0) if best is None else best[:k]
        wins = (lead > previous).view(np.uint8)
        np.multiply(wins, class_ids.astype(np.uint8)[:, None, None], out=wins)
        np.maximum(labels[:k], wins, out=labels[:k])  # a cell's contenders ascend
        best = np.maximum(lead, previous, out=lead)
    return labels


def _interpolate(
    corners: NDArray[np.float32], row_weights: NDArray[np.float32], column_weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Interpolate (k, 4) corner values at the row weights (k, Ky) and column weights (k, Kx) of each cell."""
    top_left, top_right, bottom_left, bottom_right = corners.T[:, :, None]
    left = top_left + (bottom_left - top_left) * row_weights
    right = top_right + (bottom_right - top_right) * row_weights
    values: NDArray[np.float32] = (right - left)[:, :, None] * column_weights[:, None, :]
    values += left[:, :, None]
    return values

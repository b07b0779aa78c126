"""Give the weights by which the samples of an axis become those of a longer or shorter one."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

KEPT = 64  # axes: two for each size of frame that comes in turn
LEAST_OVERLAP = 1e-3  # of a pixel: OpenCV leaves out what covers less


class Axis(NamedTuple):
    """An axis of n samples: sample i is the sum of `weight[i, k]` times sample `first[i] + k` of the frame.

    `first` is (n,) int32, `weight` (n, taps) float32; its rows sum to 1, and are 0 beyond the frame's end.
    """

    first: NDArray[np.int32]
    weight: NDArray[np.float32]


@lru_cache(KEPT)
def triangle(size: int, resized: int) -> Axis:
    """Weigh as bilinear interpolation does, over a triangle that is wider where the axis shrinks.

    The triangle reaches to the centres of the next samples of the longer side, in the frame's pixels, and is
    cut off at the frame's ends: Pillow's BILINEAR and PyTorch's `antialias=True`.
    """
    scale = size / resized
    reach = max(scale, 1.0)
    centre = (np.arange(resized) + 0.5) * scale
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + reach + 0.5).astype(np.int64), size)
    position = first[:, None] + np.arange((end - first).max())
    weight = np.maximum(1.0 - np.abs(position + 0.5 - centre[:, None]) / reach, 0.0)
    return _axis(first, np.where(position < end[:, None], weight, 0.0))


@lru_cache(KEPT)
def box(size: int, resized: int) -> Axis:
    """Weigh each sample by how much of it the shorter axis's one covers: OpenCV's INTER_AREA.

    Args:
        resized: at most `size`.
    """
    scale = size / resized
    start, end = np.arange(resized) * scale, np.arange(1, resized + 1) * scale
    first = np.minimum(np.floor(start + LEAST_OVERLAP).astype(np.int64), size - 1)
    last = np.minimum(np.ceil(end - LEAST_OVERLAP).astype(np.int64), size)
    position = first[:, None] + np.arange((last - first).max())
    covered = np.minimum(position + 1, end[:, None]) - np.maximum(position, start[:, None])
    return _axis(first, np.where(position < last[:, None], np.maximum(covered, 0.0), 0.0))


@lru_cache(KEPT)
def linear(size: int, resized: int, *, within: bool = True) -> Axis:
    """Weigh the two samples whose centres are next, however far the axis shrinks: OpenCV's INTER_LINEAR.

    Args:
        within: beyond the outermost centres these samples alone count; else they are weighed with samples
            beyond the ends, -1 and `size`, for which they stand as well.
    """
    scale = 1 / (resized / size)  # rounded as OpenCV rounds
    position = ((np.arange(resized) + 0.5) * scale - 0.5).astype(np.float32)
    if within:
        position = np.clip(position, 0, size - 1)
    return _between(np.floor(position).astype(np.int64), position % 1)


@lru_cache(KEPT)
def grown_area(size: int, resized: int) -> Axis:
    """Weigh as OpenCV's INTER_AREA does both axes of a picture of which a side grows.

    A sample that lies within one of the frame's is that one; one across a border has of each side's what it
    covers.
    """
    place, growth = np.arange(resized), resized / size
    first = np.minimum(np.floor(place * (1 / growth)).astype(np.int64), size - 1)  # rounded as OpenCV rounds
    beyond = ((place + 1) - (first + 1) * growth).astype(np.float32)
    share = np.where((beyond <= 0) | (first == size - 1), np.float32(0), beyond % 1)
    return _between(first, share)


def linear_matrix(size: int, resized: int) -> NDArray[np.float32]:
    """Give the weights of `linear` for few samples, (resized, size)."""
    position = np.clip((np.arange(resized) + 0.5) * (size / resized) - 0.5, 0, size - 1)
    weights: NDArray[np.float64] = np.maximum(1.0 - np.abs(position[:, None] - np.arange(size)), 0.0)
    return weights.astype(np.float32)


def _between(first: NDArray[np.int64], share: NDArray[np.float32]) -> Axis:
    """Weigh samples and the ones after them, which have a share in 0..1."""
    return Axis(first.astype(np.int32), np.stack((1 - share, share), axis=1))


def _axis(first: NDArray[np.int64], weight: NDArray[np.float64]) -> Axis:
    scaled = weight / weight.sum(axis=1, keepdims=True)
    return Axis(first.astype(np.int32), np.ascontiguousarray(scaled, np.float32))

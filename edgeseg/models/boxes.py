"""Turn predicted deltas into boxes inside the image.

Boxes are float32 xyxy: left, top, right, bottom, in pixels of the network's input, with 0 and the image's
width or height as their extremes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_LOG_SCALE = math.log(1000 / 16)  # a delta may enlarge a side at most so; keeps exp() finite


def decode(deltas: Tensor, anchors: Tensor, *, limited_shrinking: bool = False) -> Tensor:
    """Move and scale anchors by predicted deltas.

    An anchor of centre c and side s becomes a box of centre c + d * s and side s * exp(e) (R-CNN, Girshick et
    al. 2014, appendix C).

    Args:
        deltas: (..., 4): d along x and y, e along x and y.
        anchors: (..., 4) xyxy.
        limited_shrinking: a side shrinks by no more than it may grow, see `Conventions`.

    Returns:
        (..., 4) xyxy.
    """
    low, high = anchors[..., :2], anchors[..., 2:]
    side = high - low
    centre = low + 0.5 * side
    centre = deltas[..., :2] * side + centre
    least = -MAX_LOG_SCALE if limited_shrinking else None
    half_side = 0.5 * (torch.exp(deltas[..., 2:].clamp(least, MAX_LOG_SCALE)) * side)
    return torch.cat([centre - half_side, centre + half_side], dim=-1)


def clip(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Cut (..., 4) boxes off at the image's borders."""
    height, width = size_hw
    limits = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limits)


def has_sides(boxes: Tensor, min_side: float) -> Tensor:
    """Tell which boxes are at least `min_side` pixels wide and high: (..., 4) -> (...) bool."""
    return (boxes[..., 2:] - boxes[..., :2]).amin(dim=-1) >= min_side


def take(boxes: Tensor, index: Tensor) -> Tensor:
    """Pick rows of every image's table: (N, R, 4), (N, K) int64 -> (N, K, 4)."""
    return torch.gather(boxes, 1, index[..., None].expand(-1, -1, boxes.shape[-1]))

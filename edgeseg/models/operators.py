"""Turn feature maps and boxes into region features, and overlapping boxes into a keep mask.

ROI-Align and non-maximum suppression are the two steps of Mask R-CNN that no portable dense operator
covers, and each device wants them spelled differently. Here they are PyTorch operators, `edgeseg::roi_align`
and `edgeseg::nms`: every shape is static, so `torch.export` passes them through untouched and the exporter
replaces each by what the target runs best. The bodies below are the reference those lowerings must match.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CANONICAL_SIZE = 224.0  # pixels; a box this large belongs on CANONICAL_LEVEL (FPN, Lin et al. 2017, eq. 1)
CANONICAL_LEVEL = 4  # the map with 2**4 = 16 pixels per cell
LEVEL_EPSILON = 1e-6  # keeps a box of exactly 2**k * 224 pixels on the upper level in float32
HALF_CELL = 0.5  # from a cell's corner to its centre, where regions are aligned
NMS_CHUNK_ELEMENTS = 1 << 24  # IoU entries held at once, 64 MiB in float32


@torch.library.custom_op("edgeseg::roi_align", mutates_args=())
def roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    strides: Sequence[int],
    output_size: int,
    sampling_ratio: int,
    *,
    aligned: bool = False,
) -> Tensor:
    """Sample each box to a fixed grid from the pyramid level that fits its size.

    A box is cut into `output_size` x `output_size` bins; a bin is the mean of `sampling_ratio` x
    `sampling_ratio` bilinear samples (Mask R-CNN, He et al. 2017, section 3). Samples more than one cell
    outside the map count as 0 and the others outside take the border's value.

    Args:
        features: L maps (N, C, H_l, W_l), finest first.
        boxes: (N, K, 4) float32 xyxy in input pixels.
        strides: input pixels per cell of each map, powers of two.
        output_size: bins per side.
        sampling_ratio: samples per side of a bin; 0 for as many as the bin has cells along that side, rounded
            up. A box without sides has none then, and its bins are 0.
        aligned: cell centres are half a cell from the cells' corners. If not, they sit at whole coordinates,
            and boxes thinner than one cell count as one cell wide.

    Returns:
        (N, K, C, output_size, output_size), dtype of the features.
    """
    batch, count = boxes.shape[:2]
    channels = features[0].shape[1]
    # Every bin is a weighted sum of cells. With all cells of all levels and images as rows of one table,
    # a single weighted embedding_bag computes all bins, whatever level their box is on.
    table = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, channels) for level in features])
    heights, widths, starts = (
        boxes.new_tensor(values, dtype=torch.int64) for values in zip(*_level_layout(features), strict=True)
    )
    levels = pyramid_level(boxes, strides).flatten()  # (R,), R = N * K
    scaled = boxes.reshape(-1, 4) / boxes.new_tensor(strides)[levels][:, None]  # cells
    scaled = scaled - HALF_CELL if aligned else scaled
    low, side = scaled[:, :2], scaled[:, 2:] - scaled[:, :2]
    side = side if aligned else side.clamp(min=1.0)
    heights, widths = heights[levels], widths[levels]
    image = torch.arange(batch, device=boxes.device).repeat_interleave(count)
    first_row = starts[levels] + image * heights * widths
    bins = table.new_zeros(batch * count, output_size, output_size, channels)
    for (x_samples, y_samples), rows in _by_samples(side / output_size, sampling_ratio):
        x_cells, x_weights = _axis_samples(low[rows, 0], side[rows, 0], widths[rows], output_size, x_samples)
        y_cells, y_weights = _axis_samples(low[rows, 1], side[rows, 1], heights[rows], output_size, y_samples)
        # (R, P, 1, 2s, 1) with (R, 1, P, 1, 2s): per bin, 2s rows times 2s columns of cells
        row = y_cells[:, :, None, :, None] * widths[rows, None, None, None, None]
        cells = first_row[rows, None, None, None, None] + row + x_cells[:, None, :, None, :]
        weights = y_weights[:, :, None, :, None] * x_weights[:, None, :, None, :]
        cells_per_bin = 2 * x_samples * 2 * y_samples
        bins[rows] = F.embedding_bag(
            cells.reshape(-1, cells_per_bin),
            table,
            per_sample_weights=weights.reshape(-1, cells_per_bin).to(table.dtype),
            mode="sum",
        ).reshape(-1, output_size, output_size, channels)
    return bins.reshape(batch, count, *bins.shape[1:]).permute(0, 1, 4, 2, 3).contiguous()


@roi_align.register_fake
def _(
    features: Sequence[Tensor],
    boxes: Tensor,
    strides: Sequence[int],
    output_size: int,
    sampling_ratio: int,
    *,
    aligned: bool = False,
) -> Tensor:
    batch, count = boxes.shape[:2]
    return features[0].new_empty((batch, count, features[0].shape[1], output_size, output_size))


@torch.library.custom_op("edgeseg::nms", mutates_args=())
def nms(boxes: Tensor, scores: Tensor, class_ids: Tensor, iou_threshold: float, num_classes: int) -> Tensor:
    """Mark the boxes that greedy non-maximum suppression keeps within each class.

    A box goes when a better box of its class that stays overlaps it by IoU > `iou_threshold`. The answer is
    the only fixed point of `keep = not any(overlap with a better kept box)`: iterating from "keep all"
    settles at least one more box a step, best first, and needs no more steps than the longest chain of boxes
    that decide about each other.

    Args:
        boxes: (B, K, 4) float32 xyxy, best first.
        scores: (B, K) float32, descending but for entries <= 0, which mark padding wherever they stand.
        class_ids: (B, K) int64 in 0..num_classes-1.
        iou_threshold: 0..1.
        num_classes: how many classes `class_ids` may name; lowerings need it, the result does not.

    Returns:
        keep: (B, K) bool; padding is never kept and suppresses nothing.
    """
    batch, count = scores.shape
    chunk = max(1, NMS_CHUNK_ELEMENTS // max(1, count * count))
    keep = torch.empty_like(scores, dtype=torch.bool)
    for first in range(0, batch, chunk):
        part = slice(first, first + chunk)
        valid = scores[part] > 0
        same_class = class_ids[part, :, None] == class_ids[part, None, :]
        suppresses = (pairwise_iou(boxes[part]) > iou_threshold) & same_class
        suppresses = suppresses.tril_(diagonal=-1)  # [b, i, j]: better box j against box i
        current = valid
        while True:
            following = valid & ~(suppresses & current[:, None, :]).any(dim=2)
            if torch.equal(following, current):
                break
            current = following
        keep[part] = current
    return keep


@nms.register_fake
def _(boxes: Tensor, scores: Tensor, class_ids: Tensor, iou_threshold: float, num_classes: int) -> Tensor:
    return scores.new_empty(scores.shape, dtype=torch.bool)


def pairwise_iou(boxes: Tensor) -> Tensor:
    """Intersection over union of every pair: (B, K, 4) xyxy -> (B, K, K); two empty boxes give NaN."""
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])  # (B, K)
    top_left = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    bottom_right = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    side = (bottom_right - top_left).clamp_(min=0)
    intersection = side[..., 0] * side[..., 1]
    return intersection / (area[:, :, None] + area[:, None, :] - intersection)


def pyramid_level(boxes: Tensor, strides: Sequence[int]) -> Tensor:
    """Index into `strides` of the level each box is pooled from: (..., 4) xyxy -> (...) int64.

    FPN, eq. 1: floor(4 + log2(sqrt(w * h) / 224)), clamped to the levels present.
    """
    finest, coarsest = (round(math.log2(stride)) for stride in (strides[0], strides[-1]))
    size = ((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])).sqrt()
    level = torch.floor(CANONICAL_LEVEL + torch.log2(size / CANONICAL_SIZE) + LEVEL_EPSILON)
    return level.clamp(finest, coarsest).to(torch.int64) - finest


def _level_layout(features: Sequence[Tensor]) -> list[tuple[int, int, int]]:
    """(height, width, first row in the table) of each level."""
    layout, start = [], 0
    for level in features:
        batch, _, height, width = level.shape
        layout.append((height, width, start))
        start += batch * height * width
    return layout


def _by_samples(bins: Tensor, sampling_ratio: int) -> Iterator[tuple[tuple[int, int], Tensor]]:
    """Group boxes by their samples per bin.

    Args:
        bins: (R, 2) width and height of each box's bins, in cells.
        sampling_ratio: samples per side of a bin; 0 for as many as it has cells.

    Yields:
        Samples along x and y, and the indices (R',) of the boxes that have so many; those without any are
        left out.
    """
    samples = bins.ceil() if sampling_ratio == 0 else torch.full_like(bins, sampling_ratio)
    groups, group_of_box = torch.unique(samples.to(torch.int64), dim=0, return_inverse=True)
    for group, (x_samples, y_samples) in enumerate(groups.tolist()):
        if x_samples > 0 and y_samples > 0:
            yield (x_samples, y_samples), (group_of_box == group).nonzero()[:, 0]


def _axis_samples(
    low: Tensor, side: Tensor, size: Tensor, output_size: int, samples_per_bin: int
) -> tuple[Tensor, Tensor]:
    """Cells and weights that each bin reads along one axis.

    Args:
        low, side: (R,) where the box begins, and how long it is, in cells.
        size: (R,) cells of the map along this axis.

    Returns:
        cells (R, P, 2s) int64 and weights (R, P, 2s) that sum to 1 in a bin wholly inside.
    """
    samples = output_size * samples_per_bin
    offsets = torch.arange(samples, device=low.device, dtype=low.dtype) + 0.5
    position = low[:, None] + offsets * (side / samples)[:, None]  # (R, P * s)
    limit = size[:, None]
    inside = (position >= -1) & (position <= limit)
    position = torch.minimum(position.clamp(min=0), limit - 1.0)
    before = position.floor()
    fraction = position - before
    cell = before.to(torch.int64)
    cells = torch.stack([cell, torch.minimum(cell + 1, limit - 1)], dim=-1)
    weights = torch.stack([1 - fraction, fraction], dim=-1) * inside[..., None] / samples_per_bin
    per_bin = (len(low), output_size, 2 * samples_per_bin)
    return cells.reshape(per_bin), weights.reshape(per_bin)

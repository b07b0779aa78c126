"""Turn `edgeseg::roi_align` and `edgeseg::nms` into dense standard nodes of static shapes, for any runtime.

GridSample, AveragePool, MatMul, Gather and Loops over iterations and samples (never over boxes); no RoiAlign,
NonMaxSuppression, NonZero or Scatter, which TensorRT lacks or turns into plugins. Batches of any size work.
Everything is ai.onnx, opset 18; functions are traced by the exporter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
from onnxscript import FLOAT, INT64, opset18, script, values

from edgeseg.export.lowering.levels import least_areas
from edgeseg.models.operators import HALF_CELL

op: Any = opset18  # typed for evaluated tensors, not for the traced values, lists and numbers it also takes
Value: TypeAlias = Any  # an onnx_ir.Value; computing with it records nodes
OUTSIDE = -3.0  # a grid coordinate so far outside -1..1 that GridSample's zero padding answers


def roi_align(
    features: Sequence[Value],
    boxes: Value,
    strides: Sequence[int],
    output_size: int,
    sampling_ratio: int,
    *,
    aligned: bool = False,
) -> Value:
    """Sample all regions with one GridSample over an atlas of the levels, then average each bin.

    The finest level stands at the atlas's left, the coarser ones below each other at its right. Samples are
    clamped to their level, so that none reads a neighbour; those the operator counts as 0 go far outside.
    Where each region has its own number of samples, a loop takes one sample of every bin at a time, as many
    times as the region with the most has samples.

    Args:
        features: L maps (N, C, H_l, W_l), finest first.
        boxes: (N, K, 4) xyxy in input pixels.
        strides: input pixels per cell of each map.
        output_size: P, bins per side.
        sampling_ratio: samples per side of a bin; 0 for as many as it has cells.
        aligned: cell centres are half a cell from the cells' corners.

    Returns:
        (N, K, C, P, P).
    """
    batch, count = boxes.shape[:2]
    channels = features[0].shape[1]
    samples = output_size * max(1, sampling_ratio)  # S, per side of a box; of those taken at once
    atlas, left_top, (atlas_height, atlas_width) = _atlas(features)

    area, _ = _area_and_sides(boxes)
    level = _level(area, strides)

    def of_level(table: Sequence[Sequence[float]]) -> Any:
        return op.Gather(_tensor(np.array(table, np.float32)), level, axis=0)

    scale = of_level([[1.0 / stride] for stride in strides])  # (N, K, 1)
    size = of_level([[feature.shape[3], feature.shape[2]] for feature in features])  # (N, K, 2): x, y
    first_cell = of_level(left_top)  # (N, K, 2)
    low, high = op.Split(boxes * scale, num_outputs=2, axis=2)  # (N, K, 2), cells
    if aligned:
        low, high = low - HALF_CELL, high - HALF_CELL
    side = high - low if aligned else op.Max(high - low, 1.0)
    atlas_size = _tensor(np.array([atlas_width, atlas_height], np.float32))
    square = _tensor(np.array([batch, count, samples, samples, 1]))
    flat = _tensor(np.array([batch, count * samples, samples, 2]))
    if sampling_ratio == 0:
        bins = _adaptive_bins(
            atlas,
            low,
            side / float(output_size),
            size,
            first_cell,
            atlas_size,
            _tensor(np.arange(output_size, dtype=np.float32)[:, None]),
            square,
            flat,
            _tensor(np.array([batch, channels, count, output_size**2])),
        )
    else:
        offsets = _tensor(np.arange(samples, dtype=np.float32)[:, None] + np.float32(0.5))
        position = op.Unsqueeze(low, [2]) + op.Unsqueeze(side / float(samples), [2]) * offsets
        limit = op.Unsqueeze(size, [2])  # (N, K, 1, 2)
        outside = op.Or(op.Less(position, -1.0), op.Greater(position, limit))
        cell = op.Min(op.Max(position, 0.0), limit - 1.0) + op.Unsqueeze(first_cell, [2])
        coordinate = op.Where(outside, OUTSIDE, (cell * 2.0 + 1.0) / atlas_size - 1.0)  # from -1 to 1
        x, y = op.Split(coordinate, num_outputs=2, axis=3)  # (N, K, S, 1)
        grid = op.Concat(
            op.Expand(op.Unsqueeze(x, [2]), square), op.Expand(op.Unsqueeze(y, [3]), square), axis=-1
        )
        sampled = op.GridSample(  # (N, C, K * S, S)
            atlas, op.Reshape(grid, flat), align_corners=0, mode="bilinear", padding_mode="zeros"
        )
        window = [sampling_ratio, sampling_ratio]
        bins = op.AveragePool(sampled, kernel_shape=window, strides=window)  # (N, C, K * P, P)
    bins = op.Reshape(bins, [batch, channels, count, output_size, output_size])
    return op.Transpose(bins, perm=[0, 2, 1, 3, 4])


def nms(boxes: Value, scores: Value, class_ids: Value, iou_threshold: float, num_classes: int) -> Value:
    """Iterate keep = valid and not any(better kept box overlaps) until nothing changes.

    With boxes sorted by score this fixed point is unique and is what greedy suppression keeps; it is reached
    after as many steps as the longest chain of suppression.

    Args:
        boxes: (B, K, 4) xyxy, best first.
        scores: (B, K), descending; <= 0 is padding.
        class_ids: (B, K) int64.
        iou_threshold: 0..1.
        num_classes: 1 spares the comparison of classes.

    Returns:
        keep: (B, K) bool.
    """
    batch, count = scores.shape
    area, sides = _area_and_sides(boxes)  # (B, K, 1)
    x1, y1, x2, y2 = sides
    other_x1, other_y1, other_x2, other_y2 = (op.Transpose(side, perm=[0, 2, 1]) for side in sides)
    width = op.Max(op.Min(x2, other_x2) - op.Max(x1, other_x1), 0.0)
    height = op.Max(op.Min(y2, other_y2) - op.Max(y1, other_y1), 0.0)
    intersection = width * height  # (B, K, K)
    union = area + op.Transpose(area, perm=[0, 2, 1]) - intersection
    rank = np.arange(count, dtype=np.float32)
    better = op.Less(_tensor(rank[None, None, :]), _tensor(rank[None, :, None]))
    suppresses = op.And(op.Greater(intersection / union, iou_threshold), better)  # [b, i, j]: j suppresses i
    if num_classes > 1:
        classes = op.Cast(class_ids, to=ir.DataType.FLOAT)
        same = op.Equal(op.Unsqueeze(classes, [2]), op.Unsqueeze(classes, [1]))
        suppresses = op.And(suppresses, same)
    valid = op.Cast(op.Greater(op.Unsqueeze(scores, [2]), 0.0), to=ir.DataType.FLOAT)  # (B, K, 1)
    keep = _fixed_point(op.Cast(suppresses, to=ir.DataType.FLOAT), valid)
    return op.Cast(op.Reshape(keep, [batch, count]), to=ir.DataType.BOOL)


def _atlas(features: Sequence[Value]) -> tuple[Value, list[tuple[int, int]], tuple[int, int]]:
    """Lay all levels into one map.

    Returns:
        the atlas (N, C, H_a, W_a), (left, top) of each level in it, and (H_a, W_a).
    """
    sizes_hw = [(int(feature.shape[2]), int(feature.shape[3])) for feature in features]
    if len(features) == 1:
        return features[0], [(0, 0)], sizes_hw[0]
    (height, width), *coarser = sizes_hw
    right_width = max(w for _, w in coarser)
    tops = [0, *np.cumsum([h for h, _ in coarser]).tolist()]
    atlas_height = max(height, tops[-1])
    rest = [_padded(f, 0, right_width - w) for f, (_, w) in zip(features[1:], coarser, strict=True)]
    right = op.Concat(*rest, axis=2) if len(rest) > 1 else rest[0]
    columns = [
        _padded(features[0], atlas_height - height, 0),
        _padded(right, atlas_height - tops[-1], 0),
    ]
    left_top = [(0, 0), *((width, top) for top in tops[:-1])]
    return op.Concat(*columns, axis=3), left_top, (atlas_height, width + right_width)


def _padded(feature: Any, below: int, right: int) -> Value:
    if below == right == 0:
        return feature
    return op.Pad(feature, [0, 0, 0, 0, 0, 0, below, right], 0.0)


def _level(area: Any, strides: Sequence[int]) -> Value:
    """Index of the level each box is pooled from: (N, K, 1) areas -> (N, K) int64."""
    least = _tensor(np.array([*least_areas(strides)], np.float32))  # (L - 1,)
    reached = op.Cast(op.GreaterOrEqual(area, least), to=ir.DataType.FLOAT)  # (N, K, L - 1)
    return op.Cast(op.ReduceSum(reached, [2], keepdims=0), to=ir.DataType.INT64)


def _area_and_sides(boxes: Value) -> tuple[Value, tuple[Value, Any, Any, Any]]:
    """(B, K, 4) xyxy -> areas and the four sides, each (B, K, 1)."""
    x1, y1, x2, y2 = op.Split(boxes, num_outputs=4, axis=2)
    return (x2 - x1) * (y2 - y1), (x1, y1, x2, y2)


def _tensor(value: np.ndarray[Any, Any]) -> Value:
    return ir.Tensor(value)


@script(values.Opset("edgeseg", 1), default_opset=op)
def _fixed_point(suppresses: FLOAT[...], valid: FLOAT[...]) -> FLOAT[...]:  # type: ignore[misc,type-arg]
    keep = op.Identity(valid)
    changes = op.Constant(value_int=1) > 0
    while changes:
        suppressors = op.MatMul(suppresses, keep)  # how many kept boxes suppress each
        remaining = valid * op.Cast(op.Not(op.Cast(suppressors, to=9)), to=1)
        changes = op.Cast(op.ReduceMax(op.Abs(remaining - keep), keepdims=0), to=9)
        keep = op.Identity(remaining)
    return keep  # type: ignore[no-any-return]


@script(values.Opset("edgeseg", 1), default_opset=op)
def _adaptive_bins(  # noqa: PLR0917 - a function of ONNX has no named inputs
    atlas: FLOAT,
    low: FLOAT,
    bin_side: FLOAT,
    size: FLOAT,
    first_cell: FLOAT,
    atlas_size: FLOAT,
    bins: FLOAT,
    square: INT64,
    flat: INT64,
    regions: INT64,
) -> FLOAT:
    """Average as many samples of each bin as it has cells: (N, C, K, P * P)."""
    limit = op.Unsqueeze(size, [2])  # (N, K, 1, 2)
    first = op.Unsqueeze(first_cell, [2])
    samples = op.Ceil(bin_side)  # (N, K, 2), along x and y
    along_x, along_y = op.Split(samples, num_outputs=2, axis=2)  # (N, K, 1)
    total = along_x * along_y
    columns = op.Max(along_x, 1.0)
    pooled = op.Expand(op.Constant(value_float=0.0), regions)
    taken = op.Constant(value_float=0.0)
    most = op.ReduceMax(total, keepdims=0)
    going = taken < most
    while going:
        row = op.Floor(taken / columns)
        number = op.Concat(taken - row * columns, row, axis=2)  # of the sample in its bin, along x and y
        place = bins + op.Unsqueeze((number + 0.5) / op.Max(samples, 1.0), [2])  # (N, K, P, 2), in bins
        position = op.Unsqueeze(low, [2]) + op.Unsqueeze(bin_side, [2]) * place
        # As where all regions have the same number: a function called within a loop would stay a function.
        outside = op.Or(op.Less(position, -1.0), op.Greater(position, limit))
        cell = op.Min(op.Max(position, 0.0), limit - 1.0) + first
        coordinate = op.Where(outside, OUTSIDE, (cell * 2.0 + 1.0) / atlas_size - 1.0)
        x, y = op.Split(coordinate, num_outputs=2, axis=3)  # (N, K, P, 1)
        grid = op.Concat(
            op.Expand(op.Unsqueeze(x, [2]), square), op.Expand(op.Unsqueeze(y, [3]), square), axis=-1
        )
        sampled = op.GridSample(
            atlas, op.Reshape(grid, flat), align_corners=0, mode="bilinear", padding_mode="zeros"
        )
        weight = op.Where(taken < total, 1.0 / op.Max(total, 1.0), 0.0)  # (N, K, 1)
        pooled = pooled + op.Reshape(sampled, regions) * op.Unsqueeze(weight, [1])
        taken = taken + 1.0
        going = taken < most
    return pooled  # type: ignore[no-any-return]

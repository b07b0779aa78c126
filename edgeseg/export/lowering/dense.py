"""Turn `edgeseg::roi_align` and `edgeseg::nms` into dense standard nodes of static shapes, for any runtime.

GridSample, AveragePool, MatMul, Gather and one Loop over iterations (never over boxes); no RoiAlign,
NonMaxSuppression, NonZero or Scatter, which TensorRT lacks or turns into plugins. Batches of any size work.
Everything is ai.onnx, opset 18; functions are traced by the exporter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
from onnxscript import FLOAT, opset18, script, values

from edgeseg.export.lowering.levels import least_areas

op: Any = opset18  # typed for evaluated tensors, not for the traced values, lists and numbers it also takes
Value: TypeAlias = Any  # an onnx_ir.Value; computing with it records nodes
OUTSIDE = -3.0  # a grid coordinate so far outside -1..1 that GridSample's zero padding answers


def roi_align(
    features: Sequence[Value],
    boxes: Value,
    strides: Sequence[int],
    output_size: int,
    sampling_ratio: int,
) -> Value:
    """Sample all regions with one GridSample over an atlas of the levels, then average each bin.

    The finest level stands at the atlas's left, the coarser ones below each other at its right. Samples are
    clamped to their level, so that none reads a neighbour; those the operator counts as 0 go far outside.

    Args:
        features: L maps (N, C, H_l, W_l), finest first.
        boxes: (N, K, 4) xyxy in input pixels.
        strides: input pixels per cell of each map.
        output_size: P, bins per side.
        sampling_ratio: samples per side of a bin.

    Returns:
        (N, K, C, P, P).
    """
    batch, count = boxes.shape[:2]
    channels = features[0].shape[1]
    samples = output_size * sampling_ratio  # S, per side of a box
    offsets = _tensor(np.arange(samples, dtype=np.float32) + np.float32(0.5))
    atlas, left_top, (atlas_height, atlas_width) = _atlas(features)

    area, (x1, y1, x2, y2) = _area_and_sides(boxes)  # each (N, K, 1)
    table = [
        [1.0 / stride, *map(float, (*feature.shape[2:], left, top))]
        for stride, feature, (left, top) in zip(strides, features, left_top, strict=True)
    ]
    of_level = op.Gather(_tensor(np.array(table, np.float32)), _level(area, strides), axis=0)  # (N, K, 5)
    scale, height, width, left, top = op.Split(of_level, num_outputs=5, axis=2)  # each (N, K, 1)

    def grid_coordinates(low: Any, high: Any, size: Any, first_cell: Any, atlas_size: int) -> Value:
        """(N, K, S): where the samples of one axis lie in the atlas, from -1 to 1."""
        low, high = low * scale, high * scale  # cells
        step = op.Max(high - low, 1.0) / float(samples)
        position = low + step * offsets
        outside = op.Or(op.Less(position, -1.0), op.Greater(position, size))
        cell = op.Min(op.Max(position, 0.0), size - 1.0) + first_cell
        return op.Where(outside, OUTSIDE, (cell * 2.0 + 1.0) / float(atlas_size) - 1.0)

    x = grid_coordinates(x1, x2, width, left, atlas_width)
    y = grid_coordinates(y1, y2, height, top, atlas_height)
    square = [batch, count, samples, samples, 1]
    grid = op.Concat(
        op.Expand(op.Reshape(x, [batch, count, 1, samples, 1]), square),
        op.Expand(op.Reshape(y, [batch, count, samples, 1, 1]), square),
        axis=-1,
    )
    sampled = op.GridSample(  # (N, C, K * S, S)
        atlas,
        op.Reshape(grid, [batch, count * samples, samples, 2]),
        align_corners=0,
        mode="bilinear",
        padding_mode="zeros",
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


def _tensor(value: np.ndarray[Any, Any]) -> ir.TensorProtocol:
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

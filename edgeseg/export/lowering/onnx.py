"""Turn `edgeseg::roi_align` and `edgeseg::nms` into RoiAlign and NonMaxSuppression nodes.

For runtimes that have them. Data-dependent sizes (the regions of one pyramid level, the boxes that were
selected) stay between these nodes: the results have the operators' static shapes. Everything is ai.onnx,
opset 18; the exporter traces the functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
from onnxscript import opset18

from edgeseg.export.lowering.levels import least_areas

BAND_PX = 64.0  # height of the bands in which regions are visited, about a common region's
BAND_STEP = float(1 << 14)  # wider than any image: a band's regions come before the next band's

op: Any = opset18  # typed for evaluated tensors, not for the traced values, lists and numbers it also takes
Value: TypeAlias = Any  # an onnx_ir.Value; computing with it records nodes


def roi_align(
    features: Sequence[Value],
    boxes: Value,
    strides: Sequence[int],
    output_size: int,
    sampling_ratio: int,
    *,
    aligned: bool = False,
) -> Value:
    """Sample each level's own regions with one RoiAlign and put the results back in order.

    Neighbours are sampled one after the other: they read the same cells, which are then still in the cache.
    On a CPU this halves the time of a thousand regions.

    Args:
        features: L maps (N, C, H_l, W_l), finest first.
        boxes: (N, K, 4) xyxy in input pixels; K may depend on the data, and be 0.
        strides: input pixels per cell of each map.
        output_size: P, bins per side.
        sampling_ratio: samples per side of a bin; 0 for as many as it has cells.
        aligned: cell centres are half a cell from the cells' corners.

    Returns:
        (N, K, C, P, P).
    """
    batch, channels = features[0].shape[:2]
    regions = op.Reshape(boxes, [-1, 4])  # (R, 4) with R = N * K
    image_of_region = op.Reshape(
        op.Expand(_tensor(np.arange(batch)[:, None]), op.Shape(boxes, start=0, end=2)), [-1]
    )
    visited = _by_place(regions)  # (R,)
    masks = _level_masks(op.Gather(regions, visited, axis=0), strides)
    indices, pooled = [], []
    for feature, stride, mask in zip(features, strides, masks, strict=True):
        index = op.Gather(visited, op.Reshape(op.NonZero(mask), [-1]), axis=0)  # (R_l,)
        indices.append(index)
        pooled.append(
            op.RoiAlign(
                feature,
                op.Gather(regions, index, axis=0),
                op.Gather(image_of_region, index, axis=0),
                # the second: cell centres at whole coordinates, and no region thinner than a cell
                coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
                mode="avg",
                output_height=output_size,
                output_width=output_size,
                sampling_ratio=sampling_ratio,
                spatial_scale=1.0 / stride,
            )
        )
    order = op.Concat(*indices, axis=0)  # row r of the results by level belongs to region order[r]
    row = op.Range(0, op.Squeeze(op.Shape(order), [0]), 1)
    row_of_region = op.ScatterElements(order, order, row, axis=0)
    in_order = op.Gather(op.Concat(*pooled, axis=0), row_of_region, axis=0)  # (R, C, P, P)
    return op.Reshape(in_order, [batch, -1, channels, output_size, output_size])


def nms(boxes: Value, scores: Value, class_ids: Value, iou_threshold: float, num_classes: int) -> Value:
    """Select with NonMaxSuppression, classes on its class axis, and mark what was selected.

    Args:
        boxes: (B, K, 4) xyxy, best first.
        scores: (B, K); <= 0 is padding, the others are not compared.
        class_ids: (B, K) int64.
        iou_threshold: 0..1.
        num_classes: C.

    Returns:
        keep: (B, K) bool.
    """
    batch, count = scores.shape
    # The node ranks by score, the operator by place. Places are passed as scores, because a runtime's sigmoid
    # or softmax need not rise with its argument in the last digit.
    ramp = _tensor(np.arange(count, 0, -1, dtype=np.float32)[None])
    rank = op.Unsqueeze(op.Where(op.Greater(scores, 0.0), ramp, 0.0), [1])  # (B, 1, K)
    if num_classes > 1:
        classes = _tensor(np.arange(num_classes)[None, :, None])
        own = op.Equal(classes, op.Unsqueeze(class_ids, [1]))  # (B, C, K)
        rank = op.Where(own, rank, 0.0)
    selected = op.NonMaxSuppression(boxes, rank, [count], [iou_threshold], [0.0])
    where = op.Gather(selected, [0, 2], axis=1)  # of (M, 3): image, class, box
    kept = op.Expand(_tensor([True]), op.Shape(selected, start=0, end=1))
    return op.ScatterND(_tensor(np.zeros((batch, count), np.bool_)), where, kept)


def _by_place(regions: Value) -> Value:
    """Indices (R,) of the regions (R, 4) in bands from top to bottom, each from left to right."""
    x1, y1, _, _ = op.Split(regions, num_outputs=4, axis=1)
    place = op.Squeeze(op.Floor(y1 / BAND_PX) * BAND_STEP + x1, [1])
    _, order = op.TopK(place, op.Shape(place), axis=0, largest=0, sorted=1)
    return order


def _level_masks(regions: Value, strides: Sequence[int]) -> list[Any]:
    """One (R,) bool mask a level: the regions that are pooled from it."""
    x1, y1, x2, y2 = op.Split(regions, num_outputs=4, axis=1)
    area = op.Squeeze((x2 - x1) * (y2 - y1), [1])
    reaches = [op.GreaterOrEqual(area, least) for least in least_areas(strides)]  # of the coarser levels
    if not reaches:
        return [op.Expand(_tensor([True]), op.Shape(area))]
    between = [op.And(low, op.Not(high)) for low, high in pairwise(reaches)]
    return [op.Not(reaches[0]), *between, reaches[-1]]


def _tensor(value: object) -> ir.TensorProtocol:
    return ir.Tensor(np.asarray(value))

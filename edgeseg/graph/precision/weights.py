"""Quantise trained weights to int8 with one scale for each output channel."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.precision.ranges import LEVELS
from edgeseg.graph.precision.rounding import cancelling
from edgeseg.graph.view import WEIGHT

LARGEST_PAIR = 128
"""What two weights of one sign may add up to where a processor adds two products in 16 bits.

Activations are 8 bits without a sign there, up to 255, and 255 * 128 < 2**15 <= 255 * 129. Which two weights
meet depends on the kernel, so that the two largest of a channel must fit. Where one of them is much larger
than all others it keeps its 8 bits; at worst both are 64, which is what 7 bits would leave.
"""
LEAST_SCALE = float(np.finfo(np.float32).tiny)  # smaller ones keep too few bits; such weights become 0
_FLIPPED = 2  # by how much the sum of two weights may grow when both are rounded the other way


def quantised_weights(
    weights: NDArray[np.generic], axis: int, *, narrow: bool = False
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise symmetrically with one scale a channel, so that errors cancel out; see `rounding`.

    Args:
        axis: of the output channels.
        narrow: keep the sum of any two weights of one sign and channel within LARGEST_PAIR.

    Returns:
        int8 values of the same shape, -127..127, and float32 scales (C,).
    """
    moved = np.moveaxis(weights, axis, 0)  # (C, I, ...)
    rows = moved.reshape(len(moved), -1).astype(np.float32)  # (C, I * K)
    scales = np.abs(rows).max(axis=1) / LEVELS
    if narrow:
        pairs = np.maximum(_largest_pair(rows), _largest_pair(-rows))
        scales = np.maximum(scales, pairs / (LARGEST_PAIR - _FLIPPED))
    scales = np.where(scales >= LEAST_SCALE, scales, 1.0).astype(np.float32)
    scaled = (rows.astype(np.float64) / scales[:, None]).reshape(*moved.shape[:2], -1)
    values = cancelling(scaled, LEVELS).reshape(moved.shape).astype(np.int8)
    return np.ascontiguousarray(np.moveaxis(values, 0, axis)), scales


def adds_pairs(node: ir.Node) -> bool:
    """Whether a layer sums products over input channels, as matrix products do.

    Depthwise convolutions have kernels of their own, which add in 32 bits.
    """
    weight = node.inputs[WEIGHT]
    assert weight is not None
    assert weight.shape is not None
    return not (node.op_type == "Conv" and node.attributes.get_int("group", 1) > 1 and weight.shape[1] == 1)


def _largest_pair(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the two largest positive values of each row (C, K): (C,)."""
    count = min(2, rows.shape[1])
    largest: NDArray[np.float32] = np.partition(rows, -count, axis=1)[:, -count:].clip(0).sum(axis=1)
    return largest

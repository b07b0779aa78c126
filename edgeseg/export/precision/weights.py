"""Turn trained weights into int8 with one scale for each output channel."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from edgeseg.export.precision.ranges import LEVELS

LARGEST_PAIR = 128
"""What two weights of one sign may add up to where a processor adds two products in 16 bits.

Activations are 8 bits without a sign there, up to 255, and 255 * 128 < 2**15 <= 255 * 129. Which two weights
meet depends on the kernel, so that the two largest of a channel must fit. Where one of them is much larger
than all others it keeps its 8 bits; at worst both are 64, which is what 7 bits would leave.
"""


def quantised_weights(
    weights: NDArray[np.generic], axis: int, *, narrow: bool = False
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise symmetrically with one scale a channel.

    Args:
        axis: of the output channels.
        narrow: keep the sum of any two weights of one sign and channel within LARGEST_PAIR.

    Returns:
        int8 values of the same shape, -127..127, and float32 scales (C,).
    """
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1).astype(np.float32)  # (C, K)
    scales = np.abs(rows).max(axis=1) / LEVELS
    if narrow:
        scales = np.maximum(scales, np.maximum(_largest_pair(rows), _largest_pair(-rows)) / LARGEST_PAIR)
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    shape = [1] * weights.ndim
    shape[axis] = -1
    return np.rint(weights / scales.reshape(shape)).clip(-LEVELS, LEVELS).astype(np.int8), scales


def adds_pairs(node: onnx.NodeProto, weights: onnx.TensorProto) -> bool:
    """Whether a layer sums products over input channels, as matrix products do.

    Depthwise convolutions have kernels of their own, which add in 32 bits.
    """
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    return not (node.op_type == "Conv" and groups > 1 and weights.dims[1] == 1)


def _largest_pair(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the two largest positive values of each row (C, K): (C,)."""
    count = min(2, rows.shape[1])
    largest: NDArray[np.float32] = np.partition(rows, -count, axis=1)[:, -count:].clip(0).sum(axis=1)
    return largest

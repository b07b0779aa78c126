"""Round scaled weights so that their errors cancel out, in each kernel and output channel.

Rounding to the nearest leaves a kernel with a sum of errors, and an input that is nearly constant, such as
the dark ground of an image, shifts the output by it. Where the sum is larger than 1/2, the weights whose
errors are nearest to 1/2 are rounded the other way: first within each kernel, then, with one weight a kernel,
within each output channel. C. Guo et al., SQuant: on-the-fly data-free quantization, ICLR 2022.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cancelling(scaled: NDArray[np.float64], largest: int) -> NDArray[np.float64]:
    """Round weights so that errors cancel out.

    Args:
        scaled: (C, I, K) weights in steps, -largest..largest, by output channel, input channel and place.

    Returns:
        Integers of the same shape, -largest..largest, each less than 1 from its weight.
    """
    rounded = np.rint(scaled).clip(-largest, largest)
    errors = rounded - scaled
    within = errors.sum(axis=2, keepdims=True)  # (C, I, 1)
    rounded -= _flips(errors, within, rounded, largest, axis=2)

    errors = rounded - scaled
    within = errors.sum(axis=2)  # (C, I), each at most 1/2
    across = within.sum(axis=1, keepdims=True)  # (C, 1)
    sign = np.sign(across)[..., None]
    best = _gain(errors, sign, rounded, largest).argmax(axis=2)[..., None]  # (C, I, 1)
    ends = np.take_along_axis(rounded, best, axis=2)[..., 0]
    flips = _flips(within, across, ends, largest, axis=1)
    np.put_along_axis(rounded, best, (ends - flips)[..., None], axis=2)
    return rounded


def _flips(
    errors: NDArray[np.float64],
    total: NDArray[np.float64],
    rounded: NDArray[np.float64],
    largest: int,
    axis: int,
) -> NDArray[np.float64]:
    """Choose what to take off, 1 or -1: of as many as bring the total within 1/2, those furthest off."""
    sign = np.sign(total)
    gain = _gain(errors, sign, rounded, largest)
    rank = np.argsort(np.argsort(-gain, axis=axis, kind="stable"), axis=axis, kind="stable")
    return np.where((rank < np.rint(np.abs(total))) & (gain > 0), sign, 0.0)


def _gain(
    errors: NDArray[np.float64], sign: NDArray[np.float64], rounded: NDArray[np.float64], largest: int
) -> NDArray[np.float64]:
    """Say how far each is off in the direction of the total; what cannot be flipped gains nothing."""
    return np.where(np.abs(rounded - sign) <= largest, errors * sign, 0.0)

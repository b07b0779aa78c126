"""Turn seeds into test images for any input: pictures in its channels, its number type, and its own range.

An input of bytes gets pictures as they are. Of other types the range that matters is the training's, not the
type's: a thermal camera's 16 bits hold a few thousand steps, metres end at a few hundred. So a channel spans
its mean and two deviations on each side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.scenes.pictures import picture
from edgeseg.spec import LARGEST_VALUE, GraphSpec, InputSpec, in_order

DEVIATIONS = 2  # on each side of the mean
FINE = 65535  # the largest of 16 bits, in which pictures of other types are drawn
STEP = 256  # of them to a grey level


def input_images(seeds: range | tuple[int, ...], taken: InputSpec, graph: GraphSpec) -> NDArray[Any]:
    """Paint one image a seed: (M, H, W, C) of the input's size, channels and type."""
    return np.stack([input_image(seed, taken, graph) for seed in seeds])


def input_image(seed: int, taken: InputSpec, graph: GraphSpec) -> NDArray[Any]:
    """Paint one image (H, W, C); the same bytes on every machine."""
    size_hw = (taken.height, taken.width)
    painted = picture(seed, size_hw, taken.channels)
    if taken.dtype == "uint8":
        return painted
    y, x = np.mgrid[0 : size_hw[0], 0 : size_hw[1]].astype(np.int64)
    between = (x * 2654435761 ^ y * 40503 ^ seed * 83492791) % STEP  # steps between the grey levels
    fine = painted.astype(np.float64) * STEP + between[..., None]
    low, high = _range(taken, graph)
    values: NDArray[Any] = low + (high - low) * (fine / FINE)  # (H, W, C)
    return (values if taken.dtype == "float32" else np.rint(values)).astype(taken.dtype)


def _range(taken: InputSpec, graph: GraphSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the least and the largest value of each channel, (C,), in the order in which frames hold them."""
    order = taken.channel_order
    mean, std = (
        LARGEST_VALUE[taken.dtype] * np.array(in_order(values, order), np.float64)
        for values in (graph.mean_rgb, graph.std_rgb)
    )
    low, high = mean - DEVIATIONS * std, mean + DEVIATIONS * std
    if taken.dtype == "float32":
        return low, high
    most = LARGEST_VALUE[taken.dtype]
    low, high = low.clip(0, most), high.clip(0, most)
    beyond = high <= low  # the training's numbers are none of the type's: all of it, then
    return np.where(beyond, 0, low), np.where(beyond, most, high)

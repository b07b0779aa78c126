"""Resize a frame into a network's input by the definitions of the filters, to hold the runtime's against.

Each filter is a weighted mean of pixels along columns and then rows, written out here as its library defines
it, and computed in floating point without the short cuts by which the runtime is fast. `linear` is PyTorch's
`F.interpolate` in bilinear mode, `antialias` the same with `antialias=True`, `area` OpenCV's INTER_AREA,
`pil` Pillow's BILINEAR.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.spec import InputSpec, ResizeFilter

PIL_UNIT = 1 << 22  # Pillow's weights are whole numbers of its inverse

Taps = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Of each output pixel along an axis, (n, T): which pixels it is made of, and with which weights."""


class Window(NamedTuple):
    """The part of an input that holds a frame, in pixels; see `window_of`."""

    top: int
    left: int
    height: int
    width: int


def window_of(frame_hw: tuple[int, int], spec: InputSpec) -> Window:
    """Say where a frame lies in an input, as `InputSpec` states it."""
    if spec.resize == "stretch":
        return Window(0, 0, spec.height, spec.width)
    frame_height, frame_width = frame_hw
    scale_y, scale_x = spec.height / frame_height, spec.width / frame_width
    if spec.resize == "letterbox":
        scale = min(scale_y, scale_x)
        height, width = (max(math.floor(side * scale + 0.5), 1) for side in frame_hw)
        if spec.pad_side == "right_bottom":
            return Window(0, 0, height, width)
        return Window((spec.height - height) // 2, (spec.width - width) // 2, height, width)
    by_height = spec.height, max(int(frame_width * scale_y), 1)
    by_width = max(int(frame_height * scale_x), 1), spec.width
    fits = by_height[1] <= spec.width
    height, width = by_height if fits else by_width
    return Window(0, 0, height, width)


def reference_input(frame: NDArray[Any], spec: InputSpec) -> NDArray[np.float32]:
    """Resize and pad a frame (H, W, C) that is larger than the input.

    Returns:
        (height, width, C) in the frame's numbers, of which `pil` alone rounds bytes.
    """
    window = window_of((frame.shape[0], frame.shape[1]), spec)
    image = np.empty((spec.height, spec.width, spec.channels), np.float32)
    image[:] = spec.pad_bgr
    image[window.top : window.top + window.height, window.left : window.left + window.width] = resized(
        frame, (window.height, window.width), spec.resize_filter
    )
    return image


def resized(frame: NDArray[Any], size_hw: tuple[int, int], kind: ResizeFilter) -> NDArray[np.float32]:
    """Shrink a frame (H, W, C): (height, width, C) in the frame's numbers."""
    if kind == "pil" and frame.dtype != np.uint8:
        kind = "antialias"  # which Pillow's is of other types, but for what it rounds between the axes
    rows, columns = (taps(old, new, kind) for old, new in zip(frame.shape[:2], size_hw, strict=True))
    if kind == "pil":  # in float64, which holds sums of its weights exactly
        narrow = np.floor(_weighted(frame.astype(np.float64), columns, axis=1) + 0.5)
        return np.floor(_weighted(narrow, rows, axis=0) + 0.5).astype(np.float32)
    image: NDArray[np.float32] = _weighted(_weighted(frame.astype(np.float32), columns, axis=1), rows, axis=0)
    return image


def taps(old: int, new: int, kind: ResizeFilter) -> Taps:
    """Give what each of `new` pixels is made of, along an axis of `old` pixels, old >= new."""
    scale = old / new
    if kind == "linear":
        centre = (np.arange(new) + 0.5) * scale - 0.5
        first = np.floor(centre).astype(np.int64)
        after = centre - first
        pixels = np.stack((first, first + 1), axis=1)
        return pixels.clip(0, old - 1), np.stack((1 - after, after), axis=1)
    reach = scale if kind in ("antialias", "pil") else scale / 2
    first = np.floor((np.arange(new) + 0.5) * scale - reach).astype(np.int64)
    pixels = first[:, None] + np.arange(math.ceil(2 * reach) + 2)
    if kind == "area":  # how much of each pixel lies within i * scale to (i + 1) * scale
        begin = np.arange(new)[:, None] * scale
        weights = (np.minimum(begin + scale, pixels + 1) - np.maximum(begin, pixels)).clip(min=0)
    else:  # a triangle of twice the scale
        distance = np.abs(pixels + 0.5 - (np.arange(new)[:, None] + 0.5) * scale)
        weights = (1 - distance / scale).clip(min=0)
    weights[(pixels < 0) | (pixels >= old)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    if kind == "pil":
        weights = np.floor(weights * PIL_UNIT + 0.5) / PIL_UNIT
    return pixels.clip(0, old - 1), weights


def _weighted(image: NDArray[Any], along: Taps, *, axis: int) -> NDArray[Any]:
    """Add up weighted pixels along an axis of (H, W, C), in the image's own kind of floats."""
    pixels, weights = along
    shape = (-1, 1) if axis == 1 else (-1, 1, 1)
    weights = weights.astype(image.dtype)
    total = image.take(pixels[:, 0], axis=axis) * weights[:, 0].reshape(shape)
    for tap in range(1, pixels.shape[1]):
        total += image.take(pixels[:, tap], axis=axis) * weights[:, tap].reshape(shape)
    return total

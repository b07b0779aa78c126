"""Turn a picture into one of another size by the filter that a network's training used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.resize_kernel import (
    KERNEL_CHANNELS,
    fastest,
    resize_by_kernel,
    resize_by_numpy,
    resize_in_fixed_point,
)
from edgeseg.frames.resize_weights import Axis, box, grown_area, linear, triangle
from edgeseg.opencv import cv2, is_installed
from edgeseg.spec import ResizeFilter

_PIXEL_STRIDES = (3, 1)  # bytes
_AREA_CHANNELS = 4  # the most that OpenCV's INTER_AREA takes


def resize(frame: NDArray[Any], out: NDArray[Any], by: ResizeFilter) -> None:
    """Fill `out` with the whole frame.

    Every value is within one grey level of what the filter's own library gives: for `linear` OpenCV's
    INTER_LINEAR and PyTorch's bilinear, for `area` OpenCV's INTER_AREA, for `pil` Pillow's BILINEAR, for
    `antialias` PyTorch's and torchvision's bilinear with `antialias=True`, of bytes and of floats. The last
    two weigh alike, and differ in what they round on the way; here both are rounded once. Where OpenCV is not
    installed, `linear` gives its very bytes, and numbers within one grey level.

    Args:
        frame: (H, W, C) uint8, uint16 or float32 of any strides.
        out: (h, w, C) of the same type, written to; its pixels lie one behind the other, its rows may lie
            anywhere.
    """
    frame_hw, out_hw = frame.shape[:2], out.shape[:2]
    is_picture = out.dtype == np.uint8 and out.shape[2] == KERNEL_CHANNELS
    kernel = fastest() if is_picture else None
    of_opencv = by == "linear" or (by == "area" and (kernel is None or _is_opencvs(frame_hw, out_hw)))
    if of_opencv and is_installed():
        _resize_by_opencv(frame, out, by)
        return
    weigh = _weighing(by, frame_hw, out_hw)
    rows, columns = weigh(frame_hw[0], out_hw[0]), weigh(frame_hw[1], out_hw[1])
    if frame.strides[1:] != _PIXEL_STRIDES:
        frame = np.ascontiguousarray(frame)
    if of_opencv and out.dtype == np.uint8 and weigh is not box:
        if weigh is linear:
            rows = linear(frame_hw[0], out_hw[0], within=False)
        resize_in_fixed_point(frame, rows, columns, out)
    elif kernel is None:
        resize_by_numpy(frame, rows, columns, out)
    else:
        resize_by_kernel(kernel, frame, rows, columns, out)


def _resize_by_opencv(frame: NDArray[Any], out: NDArray[Any], by: ResizeFilter) -> None:
    size_wh = (out.shape[1], out.shape[0])
    if by == "linear":
        cv2.resize(frame, size_wh, dst=out, interpolation=cv2.INTER_LINEAR)
        return
    if out.shape[2] == KERNEL_CHANNELS:
        cv2.resize(frame, size_wh, dst=out, interpolation=cv2.INTER_AREA)
        return
    for first in range(0, out.shape[2], _AREA_CHANNELS):
        part = slice(first, first + _AREA_CHANNELS)
        planes = np.ascontiguousarray(frame[:, :, part])
        shrunk = cv2.resize(planes, size_wh, interpolation=cv2.INTER_AREA)
        out[:, :, part] = shrunk.reshape(*out.shape[:2], -1)


def _weighing(
    by: ResizeFilter, frame_hw: tuple[int, ...], out_hw: tuple[int, ...]
) -> Callable[[int, int], Axis]:
    """Choose what weighs each axis."""
    if by == "linear":
        return linear
    if by == "area":
        return grown_area if _grows(frame_hw, out_hw) else box
    return triangle


def _is_opencvs(frame_hw: tuple[int, ...], out_hw: tuple[int, ...]) -> bool:
    """Whether OpenCV's INTER_AREA is the faster one, at half the size, or no mean, where a side grows."""
    halved = all(side == 2 * resized for side, resized in zip(frame_hw, out_hw, strict=True))
    return halved or _grows(frame_hw, out_hw)


def _grows(frame_hw: tuple[int, ...], out_hw: tuple[int, ...]) -> bool:
    return any(side < resized for side, resized in zip(frame_hw, out_hw, strict=True))

"""Turn a picture into one of another size by the filter that a network's training used."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.resize_kernel import KERNEL_CHANNELS, fastest, resize_by_kernel, resize_by_numpy
from edgeseg.frames.resize_weights import Axis, box, triangle
from edgeseg.spec import ResizeFilter

_PIXEL_STRIDES = (3, 1)  # bytes
_AREA_CHANNELS = 4  # the most that OpenCV's INTER_AREA takes


def resize(frame: NDArray[Any], out: NDArray[Any], by: ResizeFilter) -> None:
    """Fill `out` with the whole frame.

    Every value is within one grey level of what the filter's own library gives: for `linear` OpenCV's
    INTER_LINEAR and PyTorch's bilinear, for `area` OpenCV's INTER_AREA, for `pil` Pillow's BILINEAR, for
    `antialias` PyTorch's and torchvision's bilinear with `antialias=True`, of bytes and of floats. The last
    two weigh alike, and differ in what they round on the way; here both are rounded once.

    Args:
        frame: (H, W, C) uint8, uint16 or float32 of any strides.
        out: (h, w, C) of the same type, written to; its pixels lie one behind the other, its rows may lie
            anywhere.
    """
    size_wh = (out.shape[1], out.shape[0])
    if by == "linear":
        cv2.resize(frame, size_wh, dst=out, interpolation=cv2.INTER_LINEAR)
        return
    if out.dtype != np.uint8 or out.shape[2] != KERNEL_CHANNELS:
        _resize_any(frame, out, by)
        return
    kernel = fastest()
    if by == "area" and (kernel is None or _is_opencvs(frame.shape[:2], out.shape[:2])):
        cv2.resize(frame, size_wh, dst=out, interpolation=cv2.INTER_AREA)
        return
    weigh = box if by == "area" else triangle
    rows: Axis = weigh(frame.shape[0], out.shape[0])
    columns: Axis = weigh(frame.shape[1], out.shape[1])
    if frame.strides[1:] != _PIXEL_STRIDES:
        frame = np.ascontiguousarray(frame)
    if kernel is None:
        resize_by_numpy(frame, rows, columns, out)
    else:
        resize_by_kernel(kernel, frame, rows, columns, out)


def _resize_any(frame: NDArray[Any], out: NDArray[Any], by: ResizeFilter) -> None:
    """Do by OpenCV or NumPy what the kernel does for the pixels of cameras."""
    if by == "area":
        size_wh = (out.shape[1], out.shape[0])
        for first in range(0, out.shape[2], _AREA_CHANNELS):
            part = slice(first, first + _AREA_CHANNELS)
            planes = np.ascontiguousarray(frame[:, :, part])
            shrunk = cv2.resize(planes, size_wh, interpolation=cv2.INTER_AREA)
            out[:, :, part] = shrunk.reshape(*out.shape[:2], -1)
        return
    rows: Axis = triangle(frame.shape[0], out.shape[0])
    columns: Axis = triangle(frame.shape[1], out.shape[1])
    resize_by_numpy(np.ascontiguousarray(frame), rows, columns, out)


def _is_opencvs(frame_hw: tuple[int, ...], out_hw: tuple[int, ...]) -> bool:
    """Whether OpenCV's INTER_AREA is the faster one, at half the size, or no mean, where a side grows."""
    pairs = list(zip(frame_hw, out_hw, strict=True))
    grows = any(side < resized for side, resized in pairs)
    return grows or all(side == 2 * resized for side, resized in pairs)

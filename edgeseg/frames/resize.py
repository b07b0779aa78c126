"""Turn a picture into one of another size by the filter that a network's training used."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.resize_kernel import fastest, resize_by_kernel, resize_by_numpy
from edgeseg.frames.resize_weights import Axis, box, triangle
from edgeseg.spec import ResizeFilter

_PIXEL_STRIDES = (3, 1)  # bytes


def resize(frame: NDArray[np.uint8], out: NDArray[np.uint8], by: ResizeFilter) -> None:
    """Fill `out` with the whole frame.

    Every value is within one grey level of what the filter's own library gives: for `linear` OpenCV's
    INTER_LINEAR and PyTorch's bilinear, for `area` OpenCV's INTER_AREA, for `pil` Pillow's BILINEAR, for
    `antialias` PyTorch's and torchvision's bilinear with `antialias=True`, of bytes and of floats. The last
    two weigh alike, and differ in what they round on the way; here both are rounded once.

    Args:
        frame: (H, W, 3) uint8 of any strides.
        out: (h, w, 3) uint8, written to; its pixels lie one behind the other, its rows may lie anywhere.
    """
    size_wh = (out.shape[1], out.shape[0])
    if by == "linear":
        cv2.resize(frame, size_wh, dst=out, interpolation=cv2.INTER_LINEAR)
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


def _is_opencvs(frame_hw: tuple[int, ...], out_hw: tuple[int, ...]) -> bool:
    """Whether OpenCV's INTER_AREA is the faster one, at half the size, or no mean, where a side grows."""
    pairs = list(zip(frame_hw, out_hw, strict=True))
    grows = any(side < resized for side, resized in pairs)
    return grows or all(side == 2 * resized for side, resized in pairs)

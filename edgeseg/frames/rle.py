"""Turn masks into COCO run-length encodings, without a full-frame array for each mask, and back.

COCO counts pixels down the columns, first column first: so many outside, so many inside, and so on.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2, is_installed


class RLE(TypedDict):
    """A compressed COCO run-length encoding, ready for JSON: `size` is height and width in pixels."""

    size: list[int]
    counts: str


def encode_crop(mask: NDArray[np.bool_], left: int, top: int, frame_hw: tuple[int, int]) -> RLE:
    """Encode one mask that is known only within a window of the frame.

    Args:
        mask: (h, w), the window's pixels; all others are outside the mask.
        left, top: where the window lies in the frame; it must lie inside.
    """
    starts, ends, values = _column_runs(mask.view(np.uint8))
    starts, ends = starts[values > 0], ends[values > 0]
    height = max(mask.shape[0], 1)
    # The n-th pixel of the window, down its columns, lies in window column n // h, row n % h. A run may
    # reach over several columns of the window; in the frame it is cut at each of them.
    first, last = starts // height, (ends - 1) // height
    pieces = last - first + 1
    run = np.repeat(np.arange(len(starts)), pieces)
    column = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    row_from = np.maximum(starts[run] - column * height, 0)
    row_to = np.minimum(ends[run] - column * height, height)
    base = (left + column) * frame_hw[0] + top
    return _encode_runs(base + row_from, base + row_to, frame_hw)


def encode_labels(labels: NDArray[np.uint8]) -> dict[int, RLE]:
    """Encode every class that occurs in a label map (H, W): class id to its pixels, ids ascending."""
    starts, ends, values = _column_runs(labels)
    size_hw = (labels.shape[0], labels.shape[1])
    return {
        int(value): _encode_runs(starts[values == value], ends[values == value], size_hw)
        for value in np.unique(values)
    }


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Decode a compressed run-length encoding into a mask (H, W).

    Raises:
        ValueError: if its runs are not those of a mask of its size.
    """
    from pycocotools import mask as coco_mask

    with warnings.catch_warnings():  # pycocotools 2.0.11 decodes through an `__array__` that numpy 2 warns of
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(coco_mask.decode(rle), np.bool_)


def _column_runs(
    image: NDArray[np.uint8],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]:
    """Cut (H, W) into runs of equal pixels down the columns: first pixel, one past the last, value."""
    if not image.size:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.uint8)
    turned = np.asarray(cv2.transpose(image), np.uint8) if is_installed() else image.T  # OpenCV's is faster
    flat = turned.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], edges))
    return starts, np.concatenate((edges, [len(flat)])), flat[starts]


def _encode_runs(starts: NDArray[np.intp], ends: NDArray[np.intp], frame_hw: tuple[int, int]) -> RLE:
    """Encode disjoint ascending runs [start, end) of the frame's column-major pixels."""
    from pycocotools import mask as coco_mask

    if len(starts):  # runs that touch, from one column's foot to the next one's head, are one run
        apart = starts[1:] > ends[:-1]
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    height, width = frame_hw
    borders = np.concatenate(([0], np.column_stack((starts, ends)).ravel(), [height * width]))
    counts = np.diff(borders)
    if not counts[-1]:
        counts = counts[:-1]
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}

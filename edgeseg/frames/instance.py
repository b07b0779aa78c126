"""Turn boxes, scores, classes and small masks in network pixels into objects in a frame's pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.resize_weights import linear_matrix
from edgeseg.frames.results import InstanceResult, MaskCrop
from edgeseg.opencv import cv2, is_installed
from edgeseg.spec import MaskPasting, Thresholds

Decide = Callable[[NDArray[np.float32], tuple[slice, slice]], NDArray[np.bool_]]
"""Turns the probabilities (h, w) in a window, given as rows and columns of the frame, into a mask (h, w)."""

_PADDING = 1  # samples of zeros around a mask, so that its edge falls off inside the pasted area


def objects_in(
    outputs: Mapping[str, NDArray[Any]],
    number: int,
    placement: Placement,
    thresholds: Thresholds,
    decide: Decide | None = None,
) -> InstanceResult:
    """Bring the detections in one image of a batch to the frame that lies in it.

    Args:
        outputs: of K images: `boxes` (K, D, 4) float32 xyxy in input pixels, `scores` (K, D) float32 with 0
            for padding, `class_ids` (K, D) of an integer type, `masks` (K, D, M, M) float32 probabilities.
        number: of the image, from 0.
        thresholds: detections of less than `score` go; pixels of `mask` and more are inside.
        decide: takes the place of `thresholds.mask`; called for each detection, best score first.

    Returns:
        The detections in descending order of score, boxes clipped to the frame; those with nothing in the
        frame are left out.
    """
    scores = outputs["scores"][number]
    boxes = placement.boxes_to_frame(outputs["boxes"][number])
    visible = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    found = np.flatnonzero((scores >= thresholds.score) & (scores > 0) & visible)
    found = found[np.argsort(-scores[found], kind="stable")]
    boxes = boxes[found]
    masks = outputs["masks"][number]
    crops = paste_masks(
        masks[found],
        boxes,
        placement.frame_hw,
        threshold=thresholds.mask,
        pasting=thresholds.pasting,
        decide=decide,
    )
    class_ids = outputs["class_ids"][number][found].astype(np.int64)
    return InstanceResult(boxes, scores[found], class_ids, placement.frame_hw, crops)


def paste_masks(
    masks: NDArray[np.float32],
    boxes_xyxy: NDArray[np.float32],
    frame_hw: tuple[int, int],
    *,
    threshold: float = 0.5,
    pasting: MaskPasting = "whole_pixels",
    decide: Decide | None = None,
) -> tuple[MaskCrop, ...]:
    """Resize every mask to its box, keeping only the part within the frame.

    A mask has a border of zeros. In `whole_pixels` its box grows by the same share and is truncated to whole
    pixels, both ends included; the mask is resized to it bilinearly. So does torchvision's Mask R-CNN. By
    `pixel_centres` every pixel's centre is looked up in the mask bilinearly, as detectron2 does.

    Args:
        masks: (D, M, M) probabilities in 0..1.
        boxes_xyxy: (D, 4) in frame pixels.
        threshold: pixels of this and more are inside.
        pasting: see `spec.Thresholds`.
        decide: takes the place of `threshold`; called for masks with pixels in the frame.
    """
    if decide is None:
        decide = _above(threshold)
    if pasting == "pixel_centres":
        return tuple(
            _paste_at_centres(mask, box, frame_hw, decide)
            for mask, box in zip(masks, boxes_xyxy, strict=True)
        )
    size = masks.shape[-1]
    grown = _grow(boxes_xyxy, (size + 2 * _PADDING) / size).astype(np.int64)  # truncates towards zero
    sizes_wh = grown[:, 2:] - grown[:, :2] + 1
    padded = np.pad(masks, ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING)))
    scratch = np.empty(int(sizes_wh.prod(axis=1).max(initial=0)), np.float32)  # one for all: fresh pages cost
    return tuple(
        _paste(mask, (x1, y1, x2, y2), frame_hw, decide, scratch)
        for mask, (x1, y1, x2, y2) in zip(padded, grown.tolist(), strict=True)
    )


def _above(threshold: float) -> Decide:
    return lambda probabilities, _: probabilities >= threshold


def _grow(boxes: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Scale boxes about their centres, in float32 throughout: truncation follows."""
    centre = (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
    half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5) * np.float32(scale)
    return np.concatenate((centre - half, centre + half), axis=1)


def _paste_at_centres(
    mask: NDArray[np.float32], box: NDArray[np.float32], frame_hw: tuple[int, int], decide: Decide
) -> MaskCrop:
    """Look up every pixel's centre in a mask, up to half a sample around its box."""
    (left, columns), (top, rows) = (
        _looked_up(float(box[axis]), float(box[axis + 2]), frame_hw[1 - axis], mask.shape[1 - axis])
        for axis in (0, 1)
    )
    if not len(rows) or not len(columns):
        return MaskCrop(left, top, np.zeros((0, 0), np.bool_))
    window = slice(top, top + len(rows)), slice(left, left + len(columns))
    return MaskCrop(left, top, decide(rows @ mask @ columns.T, window))


def _looked_up(low: float, high: float, length: int, samples: int) -> tuple[int, NDArray[np.float32]]:
    """Give the first pixel along an axis that a mask reaches, and what each one takes of its samples.

    Args:
        low, high: ends of the box, in pixels.
        length: of the frame.
        samples: M of the mask.

    Returns:
        The first pixel, and (pixels, M) weights: 1 at a sample, 0 at the next, linear between.
    """
    sample = (high - low) / samples  # pixels
    first = min(max(math.floor(low - sample / 2), 0), length)
    last = min(max(math.ceil(high + sample / 2), first), length) if sample > 0 else first
    place = (np.arange(first, last) + 0.5 - low) / max(sample, np.finfo(np.float32).tiny) - 0.5
    weights = np.maximum(1 - np.abs(place[:, None] - np.arange(samples)), 0)
    return first, weights.astype(np.float32)


def _paste(
    mask: NDArray[np.float32],
    box: tuple[int, int, int, int],
    frame_hw: tuple[int, int],
    decide: Decide,
    scratch: NDArray[np.float32],
) -> MaskCrop:
    """Resize one padded mask to its whole-pixel box and cut it to the frame."""
    x1, y1, x2, y2 = box
    frame_height, frame_width = frame_hw
    left, right = max(x1, 0), min(x2 + 1, frame_width)
    top, bottom = max(y1, 0), min(y2 + 1, frame_height)
    if left >= right or top >= bottom:
        return MaskCrop(min(left, frame_width), min(top, frame_height), np.zeros((0, 0), np.bool_))
    width, height = x2 - x1 + 1, y2 - y1 + 1
    pasted = scratch[: width * height].reshape(height, width)
    if is_installed():
        cv2.resize(mask, (width, height), dst=pasted, interpolation=cv2.INTER_LINEAR)
    else:
        rows, columns = linear_matrix(mask.shape[0], height), linear_matrix(mask.shape[1], width)
        np.matmul(rows @ mask, columns.T, out=pasted)
    visible = pasted[top - y1 : bottom - y1, left - x1 : right - x1]
    return MaskCrop(left, top, decide(visible, (slice(top, bottom), slice(left, right))))

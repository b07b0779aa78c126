"""Hold a result in a frame's pixels against the network's outputs, by plain formulas at some of its pixels.

The runtime brings whole outputs to the frame, fast, with exact short cuts. Here each pixel is computed by
itself: where its centre lies in the input, and what the outputs are there, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import InstanceResult, MaskCrop, SemanticResult
from edgeseg.graph.outputs import Outputs
from edgeseg.proof.resizing import Window, window_of
from edgeseg.spec import MaskPasting, ModelSpec, Thresholds

GRID_SIDE = 96  # pixels per side of a frame that are compared
MASK_SIDE = 8  # pixels per side of a box whose mask is compared
TIE = 1e-5  # of the largest logit: closer ones fall either way by rounding
MASK_TIE = 1e-3  # of a probability to the threshold: likewise
BOX_PX = 0.05  # how far float32 moves a coordinate of some thousands of pixels in a few operations: 0.002

Neighbours = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Of places along an axis the samples before and after, and how far each is between them, 0 to 1."""


@dataclass
class Misplaced:
    """What the runtime put elsewhere in the frame than the formulas say.

    Attributes:
        pixels: labels, or pixels of masks, that are others.
        box_px: largest difference of a coordinate, in frame pixels.
        objects: how many objects one side alone has.
    """

    pixels: int = 0
    box_px: float = 0.0
    objects: int = 0

    def failures(self) -> list[str]:
        """Say what is wrong, one sentence each."""
        said = []
        if self.pixels:
            said.append(f"{self.pixels} pixels of results are not where the network put them in the frame")
        if self.box_px > BOX_PX:
            said.append(
                f"boxes are {self.box_px:.3g} px of the frame from where the network put them, at most "
                f"{BOX_PX:g} allowed"
            )
        if self.objects:
            said.append(f"{self.objects} objects are lost or made on the way to the frame")
        return said


def grid(side: int, samples: int = GRID_SIDE) -> NDArray[np.int64]:
    """Spread pixels evenly over a side: as many as asked for, or all."""
    count = min(side, samples)
    return (2 * np.arange(count) + 1) * side // (2 * count)


def sampled_result(result: SemanticResult | InstanceResult) -> dict[str, NDArray[Any]]:
    """Keep of a runtime's result what is compared: labels at the grid's pixels, or boxes, scores, classes."""
    if isinstance(result, InstanceResult):
        return {"boxes": result.boxes, "scores": result.scores, "class_ids": result.class_ids}
    rows, columns = map(grid, result.frame_hw)
    if result.masks is None:
        return {"labels": np.ascontiguousarray(result.labels[rows[:, None], columns])}
    return {"labels": _stacked(result.masks[:, rows[:, None], columns])}


def placed(outputs: Outputs, frame_hw: tuple[int, int], spec: ModelSpec) -> dict[str, NDArray[Any]]:
    """Compute by formula what `sampled_result` has of a runtime's result.

    Args:
        outputs: of one image, without the batch axis.
    """
    if spec.task == "instance":
        return _placed_boxes(outputs, frame_hw, spec)
    if spec.output_kind == "labels":
        return {"labels": _labels_at_grid(outputs["labels"], frame_hw, spec)}
    values = _logits_at_grid(outputs["logits"], frame_hw, spec)
    if spec.head.kind == "multilabel":
        return {"labels": _stacked(values > 0)}
    return {"labels": values.argmax(axis=0).astype(np.uint8)}


def misplaced(
    outputs: Outputs, result: SemanticResult | InstanceResult, frame_hw: tuple[int, int], spec: ModelSpec
) -> Misplaced:
    """Compare a runtime's result with the outputs that it was made of."""
    expected, found = placed(outputs, frame_hw, spec), sampled_result(result)
    if isinstance(result, InstanceResult):
        objects = abs(len(expected["scores"]) - len(found["scores"]))
        if objects or not np.array_equal(expected["class_ids"], found["class_ids"]):
            return Misplaced(objects=max(objects, 1))
        box_px = float(np.abs(expected["boxes"] - found["boxes"]).max(initial=0.0))
        return Misplaced(_wrong_mask_pixels(outputs["masks"][expected["order"]], result, spec), box_px)
    if expected["labels"].shape != found["labels"].shape:
        return Misplaced(pixels=expected["labels"].size)
    other = expected["labels"] != found["labels"]
    if spec.output_kind == "labels" or not other.any():
        return Misplaced(int(other.sum()))
    values = _logits_at_grid(outputs["logits"], frame_hw, spec)
    margin = TIE * float(np.abs(outputs["logits"]).max())
    if spec.head.kind == "multilabel":
        return Misplaced(int((other & (np.abs(values).reshape(other.shape) > margin)).sum()))
    chosen = np.take_along_axis(values, found["labels"][None].astype(np.int64), axis=0)[0]
    return Misplaced(int((other & (values.max(axis=0) - chosen > margin)).sum()))


def _stacked(masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Turn masks (C, h, w) into labels (C * h, w): the class where it is, C where it is not."""
    classes = len(masks)
    class_ids = np.arange(classes, dtype=np.uint8).reshape(-1, 1, 1)
    return np.where(masks, class_ids, np.uint8(classes)).reshape(-1, masks.shape[2])


def _labels_at_grid(
    labels: NDArray[np.uint8], frame_hw: tuple[int, int], spec: ModelSpec
) -> NDArray[np.uint8]:
    """Take the label of the input pixel in which each frame pixel's centre lies."""
    window = window_of(frame_hw, spec.input)
    rows = window.top + (2 * grid(frame_hw[0]) + 1) * window.height // (2 * frame_hw[0])
    columns = window.left + (2 * grid(frame_hw[1]) + 1) * window.width // (2 * frame_hw[1])
    return np.ascontiguousarray(labels[rows[:, None], columns])


def _logits_at_grid(
    logits: NDArray[np.float32], frame_hw: tuple[int, int], spec: ModelSpec
) -> NDArray[np.float64]:
    """Interpolate logits (C, h, w), which cover the input, bilinearly at the centres of frame pixels."""
    window = window_of(frame_hw, spec.input)
    down = _between(
        grid(frame_hw[0]), frame_hw[0], (window.top, window.height, spec.input.height), logits.shape[1]
    )
    across = _between(
        grid(frame_hw[1]), frame_hw[1], (window.left, window.width, spec.input.width), logits.shape[2]
    )
    return _interpolated(logits, down, across)


def _interpolated(values: NDArray[Any], down: Neighbours, across: Neighbours) -> NDArray[np.float64]:
    """Interpolate values (.., h, w) bilinearly at places along both axes."""
    (top, bottom, y), (left, right, x) = down, across
    upper = values[..., top[:, None], left] * (1 - x) + values[..., top[:, None], right] * x
    lower = values[..., bottom[:, None], left] * (1 - x) + values[..., bottom[:, None], right] * x
    found: NDArray[np.float64] = upper * (1 - y[:, None]) + lower * y[:, None]
    return found


def _between(
    pixels: NDArray[np.int64], frame_side: int, placed_at: tuple[int, int, int], samples: int
) -> Neighbours:
    """Find the centres of frame pixels among the samples along an axis of the input."""
    start, content, input_side = placed_at
    in_input = start + (pixels + 0.5) * content / frame_side
    return _neighbours(in_input * samples / input_side - 0.5, samples)


def _neighbours(position: NDArray[np.floating[Any]], samples: int) -> Neighbours:
    """Give the samples before and after places; beyond the last one its value goes on."""
    position = position.clip(0, samples - 1)
    before = np.floor(position).astype(np.int64)
    return before, np.minimum(before + 1, samples - 1), position - before


def _placed_boxes(outputs: Outputs, frame_hw: tuple[int, int], spec: ModelSpec) -> dict[str, NDArray[Any]]:
    """Give the detections that have pixels in the frame, best first, and their `order` in the outputs."""
    window: Window = window_of(frame_hw, spec.input)
    height, width = frame_hw
    boxes = outputs["boxes"].astype(np.float64)
    x = ((boxes[:, 0::2] - window.left) * width / window.width).clip(0, width)
    y = ((boxes[:, 1::2] - window.top) * height / window.height).clip(0, height)
    scores = outputs["scores"]
    kept = (scores >= spec.thresholds.score) & (scores > 0)
    kept &= (x[:, 1] - x[:, 0] > 0) & (y[:, 1] - y[:, 0] > 0)
    order = np.flatnonzero(kept)[np.argsort(-scores[kept], kind="stable")]
    return {
        "boxes": np.stack((x[:, 0], y[:, 0], x[:, 1], y[:, 1]), axis=1)[order].astype(np.float32),
        "scores": scores[order],
        "class_ids": outputs["class_ids"][order].astype(np.int64),
        "order": order,
    }


def _wrong_mask_pixels(masks: NDArray[np.float32], result: InstanceResult, spec: ModelSpec) -> int:
    """Count pixels that are inside a mask and should not be, or the other way round."""
    triples = zip(masks, result.boxes, result.crops(), strict=True)
    return sum(_wrong_in(mask, box, crop, result.frame_hw, spec.thresholds) for mask, box, crop in triples)


def _wrong_in(
    mask: NDArray[np.float32],
    box: NDArray[np.float32],
    crop: MaskCrop,
    frame_hw: tuple[int, int],
    thresholds: Thresholds,
) -> int:
    """Compare a few pixels of one mask, wherever it reaches, with the probability at their centres."""
    padded = np.pad(mask, 1).astype(np.float64)  # what lies around a mask is 0
    (left, right), (top, bottom) = _extent(box, len(mask), thresholds.pasting)
    rows, columns = _reached(top, bottom, frame_hw[0]), _reached(left, right, frame_hw[1])
    likely = _interpolated(
        padded,
        _neighbours((rows + 0.5 - top) * len(padded) / (bottom - top) - 0.5, len(padded)),
        _neighbours((columns + 0.5 - left) * len(padded) / (right - left) - 0.5, len(padded)),
    )
    other = (likely >= thresholds.mask) != _looked_up(crop, rows, columns)
    return int((other & (np.abs(likely - thresholds.mask) > MASK_TIE)).sum())


def _extent(box: NDArray[np.float32], samples: int, pasting: MaskPasting) -> list[tuple[float, float]]:
    """Say where a mask with one sample of zeros around it begins and ends, along x and y, in pixels."""
    if pasting == "pixel_centres":
        low, high = box[:2].astype(np.float64), box[2:].astype(np.float64)
        sample = (high - low) / samples
        return list(zip(low - sample, high + sample, strict=True))
    # As torchvision does, the box grows with the border and is truncated to whole pixels, both ends included,
    # in float32, which decides where it ends.
    centre, half = (box[2:] + box[:2]) / 2, (box[2:] - box[:2]) / 2 * np.float32((samples + 2) / samples)
    first, last = (centre - half).astype(np.int64), (centre + half).astype(np.int64)
    return list(zip(first.astype(np.float64), last + 1.0, strict=True))


def _reached(low: float, high: float, side: int) -> NDArray[np.int64]:
    """Spread a few pixels over those of the frame's side that lie between two places."""
    first, last = max(math.floor(low), 0), min(math.ceil(high), side)
    return first + grid(max(last - first, 0), MASK_SIDE)


def _looked_up(crop: MaskCrop, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Give a mask at pixels of the frame; outside of its crop it is empty."""
    height, width = crop.mask.shape
    y, x = rows - crop.top, columns - crop.left
    there = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
    found = np.zeros(there.shape, np.bool_)
    if there.any():
        found = crop.mask[y.clip(0, height - 1)[:, None], x.clip(0, width - 1)] & there
    return found

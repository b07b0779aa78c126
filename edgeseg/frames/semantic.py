"""Turn labels or logits in the network's resolution into a class for every frame pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.results import SemanticResult
from edgeseg.frames.upsample import upsampled_labels, upsampled_planes
from edgeseg.spec import LOGITS_HEAD, VOID_LABEL, HeadSpec


def semantic_result(
    outputs: Mapping[str, NDArray[Any]],
    placement: Placement,
    *,
    head: HeadSpec = LOGITS_HEAD,
    confidence: bool = False,
) -> SemanticResult:
    """Bring the outputs for one frame to the frame's size.

    Args:
        outputs: `labels` (1, H, W) uint8, whose pixels are repeated; or `logits` (1, C, h, w) float32, which
            are upsampled bilinearly, straight to the frame, before the class is picked.
        head: what the logits decide: one class of all, or each class for itself.
        confidence: also compute the probability of each pixel's class; takes `logits`, and as much time as
            interpolating every class everywhere does.
    """
    if "labels" in outputs:
        return SemanticResult(placement.map_to_frame(outputs["labels"][0]))
    logits = np.ascontiguousarray(outputs["logits"][0])
    if head.kind == "multilabel":
        return _overlapping(logits, placement, head.shift, confidence=confidence)
    labels = upsampled_labels(logits, placement)
    if not confidence:
        return SemanticResult(labels)
    if head.shift:  # of two classes, by a threshold that is not even
        return SemanticResult(labels, _shifted_confidence(logits, labels, placement, head.shift))
    return SemanticResult(labels, _confidence(logits, placement))


def _overlapping(
    log_odds: NDArray[np.float32], placement: Placement, shift: float, *, confidence: bool
) -> SemanticResult:
    """Decide each class for itself: a pixel has those whose log-odds exceed 0, and shows the best of them."""
    frame_hw = placement.frame_hw
    masks = np.empty((len(log_odds), *frame_hw), np.bool_)
    labels = np.full(frame_hw, VOID_LABEL, np.uint8)
    best = np.zeros(frame_hw, np.float32)
    largest = np.full(frame_hw, -np.inf, np.float32)
    for class_id, plane in enumerate(upsampled_planes(log_odds, placement)):
        np.greater(plane, 0, out=masks[class_id])
        labels[plane > best] = class_id
        np.maximum(best, plane, out=best)
        if confidence:
            np.maximum(largest, plane, out=largest)
    if not confidence:
        return SemanticResult(labels, masks=masks)
    likely = _sigmoid(largest + np.float32(shift))
    return SemanticResult(labels, np.where(labels == VOID_LABEL, 1 - likely, likely), masks)


def _shifted_confidence(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], placement: Placement, shift: float
) -> NDArray[np.float32]:
    """Give the probability of each pixel's class of two; the graph has taken `shift` from the log-odds."""
    background, foreground = upsampled_planes(logits, placement)
    likely = _sigmoid(foreground - background + np.float32(shift))
    return np.where(labels == 0, 1 - likely, likely)


def _sigmoid(log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute 1 / (1 + exp(-x)) with an exponent that is never above 0."""
    small = np.exp(-np.abs(log_odds))
    likely: NDArray[np.float32] = np.where(log_odds >= 0, np.float32(1), small) / (1 + small)
    return likely


def _confidence(logits: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Give the largest softmax probability at every frame pixel, (H, W) in 0..1.

    p = 1 / sum(exp(l - m)) with the running maximum m: every exponent is <= 0, so nothing overflows.
    """
    planes = upsampled_planes(logits, placement)
    largest = next(planes)
    total = np.ones_like(largest)
    for plane in planes:
        now = np.maximum(largest, plane)
        total = total * np.exp(largest - now) + np.exp(plane - now)
        largest = now
    return np.reciprocal(total, out=total)

"""Turn labels or logits in the network's resolution into a class for every frame pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.runtime.geometry import Placement
from edgeseg.runtime.results import SemanticResult
from edgeseg.runtime.upsample import upsampled_labels, upsampled_planes


def semantic_result(
    outputs: Mapping[str, NDArray[Any]], placement: Placement, *, confidence: bool = False
) -> SemanticResult:
    """Bring the outputs for one frame to the frame's size.

    Args:
        outputs: `labels` (1, H, W) uint8, whose pixels are repeated; or `logits` (1, C, h, w) float32, which
            are upsampled bilinearly, straight to the frame, before the class is picked.
        confidence: also compute the softmax probability of each pixel's class; takes `logits`, and as much
            time as interpolating every class everywhere does.
    """
    if "labels" in outputs:
        return SemanticResult(placement.map_to_frame(outputs["labels"][0]))
    logits = np.ascontiguousarray(outputs["logits"][0])
    labels = upsampled_labels(logits, placement)
    return SemanticResult(labels, _confidence(logits, placement) if confidence else None)


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

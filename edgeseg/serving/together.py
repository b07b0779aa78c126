"""Segment frames of several requests together, in as few batches as the network takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import Result
from edgeseg.runtime.segmenter import Segmenter


def segmented(segmenter: Segmenter, frames: Sequence[NDArray[Any]]) -> list[Result]:
    """Segment frames (H, W, C), each of any size.

    Raises:
        ShapeError: if a frame has another shape or dtype.
        EngineError: if the engine fails.
    """
    images, placements = [], []
    for frame in frames:
        prepared = segmenter.preprocess(frame)
        images.append(prepared.image.copy())  # what was prepared is overwritten by the next
        placements.append(prepared.placement)
    if not images:
        return []
    outputs = segmenter.engine.infer(np.concatenate(images))
    results: list[Result] = []
    first = 0
    for frame, image, placement in zip(frames, images, placements, strict=True):
        own = {name: values[first : first + len(image)] for name, values in outputs.items()}
        results.append(segmenter.finish(own, placement, frame))
        first += len(image)
    return results

"""Turn detections in one image, or in the tiles of a frame, into objects in the frame's pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.instance import Decide, objects_in
from edgeseg.frames.results import InstanceResult
from edgeseg.runtime.tiles.mosaic import Mosaic
from edgeseg.runtime.tiles.objects import joined_objects
from edgeseg.spec import Thresholds


def instance_result(
    outputs: Mapping[str, NDArray[Any]],
    placement: Placement,
    thresholds: Thresholds,
    *,
    decide: Decide | None = None,
) -> InstanceResult:
    """Bring the detections for one frame, or for its tiles, to the frame's pixels.

    Args:
        outputs: of K images, 1 without tiles: `boxes` (K, D, 4) float32 xyxy in input pixels, `scores` (K, D)
            float32 with 0 for padding, `class_ids` (K, D) of an integer type, `masks` (K, D, M, M) float32
            probabilities.
        thresholds: detections of less than `score` go; pixels of `mask` and more are inside.
        decide: takes the place of `thresholds.mask`; called for each detection of an image, best score first.

    Returns:
        The detections in descending order of score, boxes clipped to the frame; those with nothing in the
        frame are left out.
    """
    if not isinstance(placement, Mosaic):
        return objects_in(outputs, 0, placement, thresholds, decide)
    numbers = range(placement.images)
    views = [objects_in(outputs, i, placement.placement(i), thresholds, decide) for i in numbers]
    return joined_objects(views, placement)

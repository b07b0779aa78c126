"""Leave out what lies outside of the part of the picture that a stream is about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import InstanceResult, MaskCrop, Result, SemanticResult
from edgeseg.runtime.filters.polygon import check_polygon, polygon_mask
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.settings import Polygon
from edgeseg.spec import VOID_LABEL


class RegionFilter:
    """Find nothing outside of a region.

    Outside, labels become VOID_LABEL with confidence 0, and masks of classes are empty. Masks of instances
    are cut at the region's edge; an instance without a pixel inside is left out. Boxes stay as they are: they
    say where the whole object is, so that its centre and its way do not depend on where the region ends.

    Frames may change their size at any time.

    Args:
        polygon: in fractions of the frame.

    Raises:
        UsageError: as `check_polygon`.
    """

    def __init__(self, polygon: Polygon) -> None:
        check_polygon(polygon)
        self._polygon = polygon
        self._inside: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)  # of the last frame's size
        self._is_all = False

    def __call__(self, frame: Frame, result: Result, /) -> Result:
        """Keep what lies within; see `Filter`."""
        if self._inside.shape != result.frame_hw:
            self._inside = polygon_mask(self._polygon, result.frame_hw)
            self._is_all = bool(self._inside.all())
        if self._is_all:
            return result
        if isinstance(result, InstanceResult):
            return _clip(result, self._inside)
        return SemanticResult(
            np.where(self._inside, result.labels, np.uint8(VOID_LABEL)),
            None if result.confidence is None else result.confidence * self._inside,
            None if result.masks is None else result.masks & self._inside,
        )


def _clip(result: InstanceResult, inside: NDArray[np.bool_]) -> InstanceResult:
    cut = [MaskCrop(crop.left, crop.top, crop.mask & inside[crop.window]) for crop in result.crops()]
    kept = np.flatnonzero([crop.mask.any() for crop in cut])
    return replace(result, _crops=tuple(cut)).select(kept)

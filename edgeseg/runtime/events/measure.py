"""Measure a class within a zone: the part of the zone that it covers, or its instances that stand in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.frames.results import InstanceResult, MaskCrop, Result
from edgeseg.runtime.filters.classes import class_id_of
from edgeseg.runtime.filters.polygon import check_polygon, polygon_mask
from edgeseg.runtime.settings import ZoneSettings
from edgeseg.spec import ModelSpec


class Measure:
    """What a zone's settings want measured, of one result after another.

    Raises:
        UsageError: if the engine has no such class, the polygon is none, or instances are to be counted and
            the engine gives none.
    """

    def __init__(self, settings: ZoneSettings, spec: ModelSpec) -> None:
        self._class_id = class_id_of(settings.class_name, spec)
        if settings.polygon:
            check_polygon(settings.polygon, what="a zone")
        if settings.measure == "count" and spec.task != "instance":
            raise UsageError("count is of instances, and this engine labels pixels; measure the area")
        self._counts = settings.measure == "count"
        self._polygon = settings.polygon
        self._zone = np.ones((0, 0), np.bool_)  # (H, W), of the last frame's size

    def __call__(self, result: Result) -> float:
        """Give the fraction of the zone's pixels that are of the class, 0..1, or the number of instances."""
        self._fit(result.frame_hw)
        if self._counts and isinstance(result, InstanceResult):
            return float(sum(self._stands_in(crop) for crop in self._crops(result)))
        pixels = int(np.count_nonzero(self._zone))
        return int(np.count_nonzero(self._mask(result) & self._zone)) / pixels if pixels else 0.0

    def _fit(self, frame_hw: tuple[int, int]) -> None:
        if self._zone.shape != frame_hw:
            self._zone = (
                polygon_mask(self._polygon, frame_hw) if self._polygon else np.ones(frame_hw, np.bool_)
            )

    def _mask(self, result: Result) -> NDArray[np.bool_]:
        """Mark the pixels of the class, (H, W)."""
        if isinstance(result, InstanceResult):
            mask = np.zeros(result.frame_hw, np.bool_)
            for crop in self._crops(result):
                mask[crop.window] |= crop.mask
            return mask
        if result.masks is not None:
            return np.asarray(result.masks[self._class_id])
        return np.asarray(result.labels == self._class_id)

    def _crops(self, result: InstanceResult) -> Iterator[MaskCrop]:
        for class_id, crop in zip(result.class_ids, result.crops(), strict=True):
            if class_id == self._class_id:
                yield crop

    def _stands_in(self, crop: MaskCrop) -> bool:
        """Whether the pixel that holds the mask's centre of mass is in the zone."""
        rows, columns = np.nonzero(crop.mask)
        if not rows.size:
            return False
        row, column = crop.top + int(rows.mean() + 0.5), crop.left + int(columns.mean() + 0.5)
        return bool(self._zone[row, column])

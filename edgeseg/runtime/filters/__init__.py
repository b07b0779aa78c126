"""Change results on their way from an engine to the sinks: one stream's own wishes, frame after frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseg.lazy import public_names

if TYPE_CHECKING:
    from edgeseg.runtime.filters.classes import ClassFilter
    from edgeseg.runtime.filters.filter import Filter
    from edgeseg.runtime.filters.make import make_filters
    from edgeseg.runtime.filters.region import RegionFilter
    from edgeseg.runtime.filters.smoothing import LabelSmoothing
    from edgeseg.runtime.filters.tracking import Tracker

_HOMES = {
    "ClassFilter": "edgeseg.runtime.filters.classes",
    "Filter": "edgeseg.runtime.filters.filter",
    "LabelSmoothing": "edgeseg.runtime.filters.smoothing",
    "RegionFilter": "edgeseg.runtime.filters.region",
    "Tracker": "edgeseg.runtime.filters.tracking",
    "make_filters": "edgeseg.runtime.filters.make",
}
__all__ = ["ClassFilter", "Filter", "LabelSmoothing", "RegionFilter", "Tracker", "make_filters"]

__getattr__ = public_names(__name__, _HOMES)

"""Turn what is asked of a stream into its filters."""

from __future__ import annotations

from edgeseg.errors import UsageError
from edgeseg.runtime.filters.classes import ClassFilter
from edgeseg.runtime.filters.filter import Filter
from edgeseg.runtime.filters.region import RegionFilter
from edgeseg.runtime.filters.smoothing import LabelSmoothing
from edgeseg.runtime.filters.tracking import Tracker
from edgeseg.runtime.settings import StreamSettings
from edgeseg.spec import ModelSpec


def make_filters(settings: StreamSettings, spec: ModelSpec) -> tuple[Filter, ...]:
    """Make the filters of one stream, in the order in which they are applied.

    Classes come first and the region after them, so that what is left out is neither steadied nor tracked.

    Raises:
        UsageError: if a class is not the engine's, the region is no polygon within the frame, or the engine
            does not give what smoothing or tracking takes.
    """
    if settings.smooth and spec.task != "semantic":
        raise UsageError(
            "--smooth steadies the labels of semantic engines, and this one gives instances; use --track, "
            "which follows them from frame to frame"
        )
    if settings.track and spec.task != "instance":
        raise UsageError(
            "--track follows instances, and this engine gives semantic labels; use --smooth, which steadies "
            "them from frame to frame"
        )
    filters: list[Filter] = []
    if settings.classes:
        filters.append(ClassFilter(settings.classes, spec))
    if settings.region:
        filters.append(RegionFilter(settings.region))
    if settings.smooth:
        filters.append(LabelSmoothing())
    if settings.track:
        filters.append(Tracker())
    return tuple(filters)

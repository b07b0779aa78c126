"""Say whether another engine may take the place of one whose streams go on, and hold what takes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgeseg.errors import UsageError
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.spec import ModelSpec

MULTILABEL = "multilabel"  # a kind of head


@dataclass(frozen=True)
class Switch:
    """What computes the frames from the next on.

    Attributes:
        engine: that takes them.
        segmenters: on that engine, by stream.
    """

    engine: Engine
    segmenters: Mapping[str, Segmenter]

    def check(self, now: ModelSpec, streams: Collection[str]) -> None:
        """Raise UsageError if it cannot be made.

        Args:
            now: of the engine that is in use.
            streams: the names of all.
        """
        if reason := why_not(now, self.engine.spec):
            raise UsageError(f"streams cannot go on with the other engine: {reason}; start them anew")
        made = {name for name, one in self.segmenters.items() if one.engine is self.engine}
        if missing := [name for name in streams if name not in made]:
            raise UsageError(f"give a segmenter on the other engine for {', '.join(missing)}, too")


def why_not(now: ModelSpec, wanted: ModelSpec) -> str:
    """Say what of another engine's results, or frames, differs in kind; empty where streams may go on.

    Filters, zones and sinks know the classes; sources know what frames are. The size of the network's input,
    its batch, precision and thresholds are its segmenter's alone.
    """
    if wanted.task != now.task:
        return f"it gives {wanted.task} results, not {now.task} ones"
    if MULTILABEL in (wanted.head.kind, now.head.kind) and wanted.head.kind != now.head.kind:
        return "only one of the two has classes that may overlap"
    if wanted.class_names != now.class_names:
        return "its classes are others"
    if wanted.palette_rgb != now.palette_rgb:
        return "its classes have other colours"
    taken, given = wanted.input, now.input
    if (taken.channels, taken.dtype) != (given.channels, given.dtype):
        return f"it takes {taken.channels} channels of {taken.dtype}, not {given.channels} of {given.dtype}"
    return ""

"""Change results on their way from an engine to the sinks: one stream's own wishes, frame after frame."""

from __future__ import annotations

from typing import Protocol

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Result


class Filter(Protocol):
    """Something that is done to each result of one stream, in the order of its frames, by one thread."""

    def __call__(self, frame: Frame, result: Result, /) -> Result:
        """Give the result to go on with; the one given is not changed."""

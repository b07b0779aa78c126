"""Say what every filter does."""

from __future__ import annotations

from typing import Protocol

from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame


class Filter(Protocol):
    """Something that is done to each result of one stream, in the order of its frames, by one thread.

    It may remember what it needs of earlier frames; another stream takes a filter of its own.
    """

    def __call__(self, frame: Frame, result: Result, /) -> Result:
        """Give the result to go on with; the one given is not changed."""

"""Tell how much time passes in front of the camera from one frame of a stream to the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeseg.runtime.frame import Frame

PICTURES_PER_S = 25.0  # of image files that belong together, which have no clock

_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


class Elapsed:
    """Gives the seconds since the frame before, by the best clock that both frames have.

    That of the source comes first, since frames of a recording are read faster, and those of a network less
    evenly, than they were taken. One that does not go forward was set, or began anew with the source: then
    the time of capture holds. Image files have neither, so their index counts.
    """

    def __init__(self) -> None:
        self._before: Frame | None = None

    def __call__(self, frame: Frame) -> float:
        """Give the seconds from the frame of the last call to this one, 0 for the first."""
        before, self._before = self._before or frame, replace(frame, image=_NO_IMAGE)
        if frame.media_s is not None and before.media_s is not None and frame.media_s > before.media_s:
            return frame.media_s - before.media_s
        if frame.name is not None and before.name is not None:
            return max(frame.index - before.index, 0) / PICTURES_PER_S
        return max(frame.time_s - before.time_s, 0.0)

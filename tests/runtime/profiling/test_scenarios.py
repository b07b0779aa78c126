"""A camera that goes away in the middle of a measurement is told as such."""

from __future__ import annotations

import threading

import pytest

from edgeseg.errors import SourceError
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.profile import profile, profile_cameras
from edgeseg.runtime.profiling.report import Profile
from edgeseg.runtime.streams.opening import feed_of
from edgeseg.runtime.streams.stream import Stream

from ..fakes import SEMANTIC, GreyFrames


class Silent(GreyFrames):
    """A camera that hangs once it has given its frames."""

    def __init__(self, count: int) -> None:
        super().__init__(range(count), live=True)
        self.over = threading.Event()

    def read(self) -> Frame | None:
        if self.position == len(self._greys):
            self.over.wait(20)
        return super().read()


@pytest.mark.parametrize("count", [1, 2])
def test_a_camera_that_falls_silent_is_told_as_what_it_is(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for opener in (feed_of, Stream.__init__):
        monkeypatch.setitem(opener.__kwdefaults__, "stall_timeout_s", 0.3)
    sources = [Silent(4) for _ in range(count)]

    engine = FakeBackend(SEMANTIC).engine()
    segmenters = [Segmenter(engine) for _ in range(count)]

    def measure() -> Profile:
        if count == 1:
            return profile(segmenters[0], sources[0], frames=100)
        return profile_cameras(segmenters, sources, warmup=0, frames=100)

    with pytest.raises(SourceError, match=r"grey went away after [0-4] frames, .* sent nothing for 0\.3 s"):
        measure()
    for source in sources:
        source.over.set()

from __future__ import annotations

import threading

import numpy as np
import pytest

from edgeseg.runtime.sources.capture import MAX_BAD_FRAMES, CaptureSource


class _StuckCapture:
    """A capture whose `grab` blocks until it is let go, as that of a dead network camera does."""

    def __init__(self) -> None:
        self.grabbing, self.let_go, self.released = threading.Event(), threading.Event(), threading.Event()
        self.released_while_grabbing = False

    def get(self, _property: int) -> float:
        return -1.0

    def grab(self) -> bool:
        self.grabbing.set()
        assert self.let_go.wait(30)
        self.released_while_grabbing = self.released.is_set()
        return False

    def release(self) -> None:
        self.released.set()


def test_closing_under_a_blocked_reader_waits_for_it_to_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sources.capture.CLOSE_TIMEOUT_S", 0.01)
    capture = _StuckCapture()
    source = CaptureSource(capture, "stuck")
    reader = threading.Thread(target=source.read)
    reader.start()
    assert capture.grabbing.wait(30)
    source.close()
    assert not capture.released.is_set()
    capture.let_go.set()
    reader.join(30)
    assert capture.released.is_set()
    assert not capture.released_while_grabbing


class _Moody:
    """A capture that gives grey frames; None stands for a failed grab, a negative one cannot be decoded."""

    def __init__(self, greys: list[int | None]) -> None:
        self._greys = iter(greys)
        self._grey = 0

    def get(self, _property: int) -> float:
        return -1.0

    def grab(self) -> bool:
        grey = next(self._greys, None)
        self._grey = 0 if grey is None else grey
        return grey is not None

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        return (False, None) if self._grey < 0 else (True, np.full((4, 4, 3), self._grey, np.uint8))

    def release(self) -> None:
        pass


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sources.capture.RETRY_S", 0.0)


@pytest.mark.usefixtures("no_pause")
def test_a_frame_that_cannot_be_had_is_not_the_end() -> None:
    source = CaptureSource(_Moody([10, None, 20, -1, -1, 30]), "camera 7")
    frames = [source.read() for _ in range(3)]
    assert [int(frame.image[0, 0, 0]) for frame in frames if frame] == [10, 20, 30]
    assert [frame.index for frame in frames if frame] == [0, 1, 4]
    assert source.bad_frames == 3
    assert source.skipped == []


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("nothing", [None, -1])
def test_a_camera_that_gives_nothing_any_more_ends_and_says_why(nothing: int | None) -> None:
    source = CaptureSource(_Moody([10] + [nothing] * 10 * MAX_BAD_FRAMES), "camera 7")
    assert source.fps is None
    assert source.frame_count is None
    assert len(list(source)) == 1
    assert source.bad_frames == MAX_BAD_FRAMES
    assert len(source.skipped) == 1
    assert f"camera 7: none of the last {MAX_BAD_FRAMES} frames" in source.skipped[0]

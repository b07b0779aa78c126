from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.capture import MAX_BAD_FRAMES, CaptureSource
from edgeseg.runtime.sources.options import CameraOptions


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


class _Driver:
    """A camera that can do 640x480 at up to 30 frames a second, as MJPG or YUYV."""

    def __init__(self, place: int | str, *_: object) -> None:
        self.place = place
        self.asked: list[int] = []
        self.values: dict[int, float] = {cv2.CAP_PROP_FPS: 30.0}
        _Driver.opened = self

    opened: _Driver

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's
        return True

    def set(self, what: int, value: float) -> bool:
        self.asked.append(what)
        known = {cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480}
        self.values[what] = known.get(what, min(value, 30.0) if what == cv2.CAP_PROP_FPS else value)
        if what == cv2.CAP_PROP_FOURCC and value not in map(_fourcc, ("MJPG", "YUYV")):
            self.values[what] = _fourcc("YUYV")
        return True

    def get(self, what: int) -> float:
        return float(self.values.get(what, 0))

    def release(self) -> None:
        pass


def _fourcc(letters: str) -> int:
    return cv2.VideoWriter.fourcc(*letters)


def test_a_camera_is_set_up_as_asked_and_the_pixel_format_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", _Driver)
    with open_source("/dev/video9#size=640x480&fps=30&format=mjpg") as source:
        assert (source.name, source.fps, source.notes) == ("camera /dev/video9", 30.0, [])
    assert _Driver.opened.place == "/dev/video9"
    formats = [cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS]
    assert [what for what in _Driver.opened.asked if what in formats] == formats


def test_what_the_driver_does_otherwise_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", _Driver)
    with open_source("0#size=1280x720&fps=60&format=H264") as source:
        assert source.notes == [
            "camera 0 was asked for the format H264 and gives YUYV",
            "camera 0 was asked for 1280x720 pixels and gives 640x480",
            "camera 0 was asked for 60 frames a second and gives 30",
        ]
    assert _Driver.opened.place == 0


def test_a_driver_that_is_asked_for_nothing_chooses_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", _Driver)
    with CaptureSource.camera(0, CameraOptions()) as source:
        assert source.notes == []
    assert _Driver.opened.asked == [cv2.CAP_PROP_BUFFERSIZE]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0#size=big", "size of camera 0 must be WIDTHxHEIGHT in pixels, such as 1280x720, got 'big'"),
        ("/dev/video0#format=motion", "must be a pixel format of four letters"),
        ("/dev/video0#fps=0", "must be frames a second, 0.01 to 1000, got '0'"),
        ("0#colour=grey", "camera 0 has no option colour; there are: size, fps, format"),
        ("0#fps", "what stands behind # in camera 0 is not KEY=VALUE, with one of size, fps, format"),
    ],
)
def test_options_of_a_camera_that_are_none_are_usage_errors(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(text)

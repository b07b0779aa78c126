"""Read frames from what OpenCV's VideoCapture opens: cameras and GStreamer pipelines."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from edgeseg.errors import ShapeError, SourceDownError, SourceError
from edgeseg.opencv import cv2
from edgeseg.runtime.frame import Frame, to_bgr8
from edgeseg.runtime.quiet import silence_opencv
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.options import CameraOptions
from edgeseg.runtime.sources.patience import Patience

CLOSE_TIMEOUT_S = 1.0  # a reader blocked longer than this releases the capture itself when it wakes
PLAUSIBLE_FPS = (0.01, 1000.0)  # drivers that do not know say 0, -1 or 90000
MAX_BAD_FRAMES = 100  # in a row
RETRY_S = 0.02  # between attempts to get a frame from a driver that refuses at once
FPS_TOLERANCE = 0.01  # drivers give 29.97 for 30
DRIVERS_CHOICE = CameraOptions()


class CaptureSource(Source):
    """Live frames from a `cv2.VideoCapture`. One thread reads; any thread may close.

    A frame that cannot be had is not the end, nor is one that cannot be decoded, until patience is exhausted.
    """

    live = True

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        super().__init__()
        self.name = name
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if PLAUSIBLE_FPS[0] <= fps <= PLAUSIBLE_FPS[1] else None
        self._capture = capture
        self._lock = threading.Lock()  # VideoCapture is not thread-safe
        self._patience = Patience(MAX_BAD_FRAMES)
        self._position = 0

    @classmethod
    def camera(cls, device: int | str, options: CameraOptions = DRIVERS_CHOICE) -> CaptureSource:
        """A camera by its index or device path. Raises SourceDownError if it cannot be opened.

        What the driver does not do as asked is said in `notes`.
        """
        silence_opencv()
        name = f"camera {device}"
        capture = (
            cv2.VideoCapture(device) if isinstance(device, int) else cv2.VideoCapture(device, cv2.CAP_V4L2)
        )
        if not capture.isOpened():
            raise SourceDownError(
                f"cannot open {name}{_cameras_present()}; check that it is plugged in, that no other program "
                "uses it and that you may read it (group video)"
            )
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's queue holds stale frames
        notes = _set_up(capture, name, options)
        source = cls(capture, name)
        source.notes += notes
        return source

    @classmethod
    def gstreamer(cls, pipeline: str) -> CaptureSource:
        """A GStreamer pipeline ending in an appsink.

        Raises:
            SourceError: if this OpenCV cannot run pipelines; SourceDownError if it does not start.
        """
        silence_opencv()
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise SourceError(
                "this OpenCV is built without GStreamer; use the system's (apt install python3-opencv) or "
                "one built with -D WITH_GSTREAMER=ON"
            )
        capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
        if not capture.isOpened():
            raise SourceDownError(
                "cannot start the GStreamer pipeline; it must end in appsink and deliver "
                "video/x-raw,format=BGR; try it with gst-launch-1.0"
            )
        return cls(capture, "gst:")

    def read(self) -> Frame | None:
        """Return the next frame; see `Source.read`. `time_s` is when the driver gave it."""
        with self._lock:
            while self._grab():
                time_s = time.monotonic()
                self._position += 1
                ok, image = self._capture.retrieve()
                if ok and image is not None:
                    self._patience.sound()
                    break
                self._count_bad()
            else:
                return None
        try:
            return Frame(to_bgr8(image), self._position - 1, time_s)
        except ShapeError as error:
            raise SourceError(f"{self.name}: {error}") from error

    def skip(self) -> bool:
        """Pass over the next frame without decoding it."""
        with self._lock:
            if not self._grab():
                return False
            self._position += 1
            return True

    def close(self) -> None:
        """Release the capture now, or as soon as a blocked reader wakes."""
        self.closed = True
        if self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
            self._capture.release()
            self._lock.release()

    def _grab(self) -> bool:
        """Wait for the next frame; False once closed or dead."""
        while not self.closed and not self._patience.exhausted:
            if self._capture.grab():
                if self.closed:
                    break
                return True
            self._count_bad()
            time.sleep(RETRY_S)
        if self.closed:  # perhaps while this thread was blocked in `grab`
            self._capture.release()
        return False

    def _count_bad(self) -> None:
        self.bad_frames += 1
        self._patience.bad()
        if self._patience.exhausted:
            self.skipped.append(f"{self.name}: {self._patience.complaint}")


def _set_up(capture: cv2.VideoCapture, name: str, options: CameraOptions) -> list[str]:
    """Ask the driver for what the options say; return a line for each thing that it does otherwise."""
    notes = []
    if options.fourcc is not None:  # first, since sizes and rates depend on it
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
    if options.size_wh is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.size_wh[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size_wh[1])
    if options.fps is not None:
        capture.set(cv2.CAP_PROP_FPS, options.fps)
    if options.fourcc is not None:
        got = (
            int(capture.get(cv2.CAP_PROP_FOURCC))
            .to_bytes(4, "little", signed=True)
            .decode("latin-1")
            .strip("\0")
        )
        if got != options.fourcc:
            notes.append(f"{name} was asked for the format {options.fourcc} and gives {got or 'another'}")
    if options.size_wh is not None:
        width, height = (
            int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if (width, height) != options.size_wh:
            asked = "x".join(map(str, options.size_wh))
            notes.append(f"{name} was asked for {asked} pixels and gives {width}x{height}")
    if options.fps is not None:
        fps = capture.get(cv2.CAP_PROP_FPS)
        if abs(fps - options.fps) > FPS_TOLERANCE * options.fps:
            notes.append(f"{name} was asked for {options.fps:g} frames a second and gives {fps:g}")
    return notes


def _cameras_present() -> str:
    devices = sorted(str(path) for path in Path("/dev").glob("video*"))
    return f" (present: {', '.join(devices)})" if devices else " (there is no /dev/video*)"

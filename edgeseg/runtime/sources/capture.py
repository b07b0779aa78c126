"""Read frames from what OpenCV's VideoCapture opens: cameras and GStreamer pipelines."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2

from edgeseg.errors import ShapeError, SourceDownError, SourceError
from edgeseg.runtime.frame import Frame, to_bgr8
from edgeseg.runtime.quiet import silence_opencv
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.patience import Patience

CLOSE_TIMEOUT_S = 1.0  # a reader blocked longer than this releases the capture itself when it wakes
PLAUSIBLE_FPS = (0.01, 1000.0)  # drivers that do not know say 0, -1 or 90000
MAX_BAD_FRAMES = 100  # in a row
RETRY_S = 0.02  # between attempts to get a frame from a driver that refuses at once


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
    def camera(cls, device: int | str) -> CaptureSource:
        """A camera by its index or device path. Raises SourceDownError if it cannot be opened."""
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
        return cls(capture, name)

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


def _cameras_present() -> str:
    devices = sorted(str(path) for path in Path("/dev").glob("video*"))
    return f" (present: {', '.join(devices)})" if devices else " (there is no /dev/video*)"

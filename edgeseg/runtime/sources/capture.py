"""Turn what OpenCV's VideoCapture opens into frames: video files, cameras, network streams, GStreamer."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from edgeseg.errors import ShapeError, SourceError
from edgeseg.runtime.frame import Frame, to_bgr8
from edgeseg.runtime.quiet import silence_opencv
from edgeseg.runtime.sources.base import Source

OPEN_TIMEOUT_MS = 10_000  # of network streams; FFmpeg alone waits for ever
READ_TIMEOUT_MS = 10_000
CLOSE_TIMEOUT_S = 1.0  # a reader blocked longer than this releases the capture itself when it wakes
PLAUSIBLE_FPS = (0.01, 1000.0)  # drivers that do not know say 0, -1 or 90000
# Containers estimate their number of frames from duration and rate; a smaller shortfall is not damage.
SHORTFALL_FRAMES = 2
SHORTFALL_SHARE = 0.02


class CaptureSource(Source):
    """Frames from a `cv2.VideoCapture`.

    A recording that breaks off ends there and says so on `skipped`. One thread reads; any thread may close.
    """

    def __init__(
        self, capture: cv2.VideoCapture, name: str, *, live: bool, files: Sequence[Path] = ()
    ) -> None:
        super().__init__()
        self.name = name
        self.live = live
        self.files = files
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if PLAUSIBLE_FPS[0] <= fps <= PLAUSIBLE_FPS[1] else None
        frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(frames) if not live and frames >= 1 else None
        self._capture = capture
        self._lock = threading.Lock()  # VideoCapture is not thread-safe
        self._closed = False
        self._position = 0

    @classmethod
    def video(cls, path: Path) -> CaptureSource:
        """A video file. Raises SourceError if OpenCV cannot read it."""
        try:
            path.open("rb").close()
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        silence_opencv()
        capture = cv2.VideoCapture(str(path), cv2.CAP_ANY)
        if not capture.isOpened():
            raise SourceError(
                f"{path} is damaged or not a video that OpenCV can read; try: ffmpeg -i {path} repaired.mp4"
            )
        return cls(capture, str(path), live=False, files=[path])

    @classmethod
    def camera(cls, device: int | str) -> CaptureSource:
        """A camera by its index or device path. Raises SourceError if it cannot be opened."""
        silence_opencv()
        name = f"camera {device}"
        capture = (
            cv2.VideoCapture(device) if isinstance(device, int) else cv2.VideoCapture(device, cv2.CAP_V4L2)
        )
        if not capture.isOpened():
            raise SourceError(
                f"cannot open {name}{_cameras_present()}; check that it is plugged in, that no other program "
                "uses it and that you may read it (group video)"
            )
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's queue holds stale frames
        return cls(capture, name, live=True)

    @classmethod
    def url(cls, url: str) -> CaptureSource:
        """A network stream, or a recording on a web server (not live). Raises SourceError if it fails."""
        silence_opencv()
        name = without_password(url)
        timeouts = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS),
        ]
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, timeouts)
        if not capture.isOpened():
            raise SourceError(
                f"cannot open {name}; check the address, user name and password, and that the camera is on"
            )
        return cls(capture, name, live=capture.get(cv2.CAP_PROP_FRAME_COUNT) < 1)

    @classmethod
    def gstreamer(cls, pipeline: str) -> CaptureSource:
        """A GStreamer pipeline ending in an appsink. Raises SourceError if it cannot be started."""
        silence_opencv()
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise SourceError(
                "this OpenCV is built without GStreamer; use the system's (apt install python3-opencv) or "
                "one built with -D WITH_GSTREAMER=ON"
            )
        capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
        if not capture.isOpened():
            raise SourceError(
                "cannot start the GStreamer pipeline; it must end in appsink and deliver "
                "video/x-raw,format=BGR; try it with gst-launch-1.0"
            )
        return cls(capture, "gst:", live=True)

    def read(self) -> Frame | None:
        """Return the next frame; see `Source.read`. `time_s` of a live frame is when the driver gave it."""
        with self._lock:
            if self._closed:
                return None
            time_s = time.monotonic()
            grabbed = self._capture.grab()
            if self.live:
                time_s = time.monotonic()
            ok, image = self._capture.retrieve() if grabbed else (False, None)
            if self._closed:  # closed while this thread was blocked in `grab`
                self._capture.release()
                return None
            if not ok or image is None:
                self._note_end()
                return None
            self._position += 1
        try:
            return Frame(to_bgr8(image), self._position - 1, time_s)
        except ShapeError as error:
            raise SourceError(f"{self.name}: {error}") from error

    def skip(self) -> bool:
        """Pass over the next frame without decoding (cameras) or converting it (files)."""
        with self._lock:
            if self._closed:
                return False
            grabbed = self._capture.grab()
            if self._closed:
                self._capture.release()
                return False
            if not grabbed:
                self._note_end()
                return False
            self._position += 1
            return True

    def close(self) -> None:
        """Release the capture now, or as soon as a blocked reader wakes."""
        self._closed = True
        if self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
            self._capture.release()
            self._lock.release()

    def _note_end(self) -> None:
        if self.live:
            return
        missing = (self.frame_count or 0) - self._position
        if missing > max(SHORTFALL_FRAMES, SHORTFALL_SHARE * (self.frame_count or 0)):
            self.skipped.append(
                f"{self.name} breaks off after {self._position} of about {self.frame_count} frames: the rest "
                "is missing or damaged"
            )


def without_password(url: str) -> str:
    """Name a URL without what may be a password, also where / ? # or @ stand in it unescaped.

    The query goes, and what follows an = in the path (recorders take `/user=me&password=...`). User and
    password become ***; all of the URL does where it is not clear how far they reach.
    """
    scheme, _, rest = url.partition("://")
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority = head.partition("/")[0]
    if "@" in rest and ("@" in authority or ":" in authority):
        if "@" in rest[len(head) :]:
            return f"{scheme}://***"
        head = "***@" + head.rpartition("@")[2]
    return f"{scheme}://" + re.sub(r"=.*", "=***", head)


def _cameras_present() -> str:
    devices = sorted(str(path) for path in Path("/dev").glob("video*"))
    return f" (present: {', '.join(devices)})" if devices else " (there is no /dev/video*)"

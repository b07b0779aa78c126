"""Show results in a window on the screen."""

from __future__ import annotations

import _thread
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.frames.results import Result
from edgeseg.opencv import cv2
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink

TITLE = "edgeseg"
KEY_WAIT_MS = 1  # the shortest pause in which the window redraws and hears keys
QUIT_KEYS = (ord("q"), 27)  # q and Escape
NO_WINDOWS = (
    "this OpenCV cannot open windows; run: "
    "pip uninstall opencv-python-headless && pip install opencv-python, or write a file with -o"
)
NO_SCREEN = (
    "OpenCV finds no screen to open a window on; run it where there is one (DISPLAY names it, ssh -X brings "
    "one along), or write a file with -o"
)


class WindowSink(Sink):
    """Overlays in a window; q or Escape there ends the run as Ctrl-C does.

    Raises:
        SinkError: if OpenCV was built without windows, or there is no screen.
    """

    path = Path("window")
    needs_overlay = True

    def __init__(self) -> None:
        try:
            cv2.destroyAllWindows()  # there are none; an OpenCV that has no windows says so
        except cv2.error as error:
            raise SinkError(NO_WINDOWS) from error
        if not _has_screen():
            raise SinkError(NO_SCREEN)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Show the overlay; see `Sink.write`."""
        if overlay is None:
            raise ValueError("WindowSink.write needs the overlay")
        try:
            cv2.imshow(TITLE, overlay)
            key = cv2.waitKey(KEY_WAIT_MS)
        except cv2.error as error:
            raise SinkError(f"the window cannot be shown: {error.err}; write a file with -o") from error
        if key in QUIT_KEYS:
            _thread.interrupt_main()

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()


def _has_screen() -> bool:
    """Try a window in a process of its own: without a screen, Qt ends the process instead of raising."""
    program = f"import sys; sys.path[:] = {sys.path!r}; import cv2; cv2.namedWindow({TITLE!r})"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0

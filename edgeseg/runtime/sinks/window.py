"""Turn results into pictures in a window on the screen."""

from __future__ import annotations

import _thread
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Result, Sink

TITLE = "edgeseg"
KEY_WAIT_MS = 1  # the shortest pause in which the window redraws and hears keys
QUIT_KEYS = (ord("q"), 27)  # q and Escape
NO_WINDOWS = (
    "this OpenCV cannot open windows; run: "
    "pip uninstall opencv-python-headless && pip install opencv-python, or write a file with -o"
)


class WindowSink(Sink):
    """Overlays in a window; q or Escape there ends the run as Ctrl-C does.

    Raises:
        SinkError: if OpenCV was built without windows, or there is no screen.
    """

    path = Path("window")
    needs_overlay = True

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Show the overlay; see `Sink.write`."""
        if overlay is None:
            raise ValueError("WindowSink.write needs the overlay")
        try:
            cv2.imshow(TITLE, overlay)
            key = cv2.waitKey(KEY_WAIT_MS)
        except cv2.error as error:
            raise SinkError(NO_WINDOWS) from error
        if key in QUIT_KEYS:
            _thread.interrupt_main()

    def close(self) -> None:
        """Close the window."""
        try:
            cv2.destroyAllWindows()
        except cv2.error:
            return  # there never was one

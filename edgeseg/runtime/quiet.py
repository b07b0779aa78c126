"""Keep OpenCV and FFmpeg from writing to stderr, where edgeseg says in one line what went wrong."""

from __future__ import annotations

import os

from edgeseg.opencv import cv2, is_installed

FFMPEG_QUIET = "-8"  # AV_LOG_QUIET
OPENCV_SILENT = 0  # LOG_LEVEL_SILENT


def silence_opencv() -> None:
    """Turn the libraries' own messages off, unless OPENCV_LOG_LEVEL or OPENCV_FFMPEG_LOGLEVEL asks for them.

    FFmpeg's level is read when OpenCV opens its first video, so this comes before it.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ and is_installed():
        cv2.utils.logging.setLogLevel(OPENCV_SILENT)

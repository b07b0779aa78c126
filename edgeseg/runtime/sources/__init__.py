"""Turn what a user calls a source into frames: camera, device, video, image, folder, stream, `synthetic:`."""

from __future__ import annotations

import difflib
import os
import re
import stat
from pathlib import Path

import cv2

from edgeseg.errors import SourceError, UsageError
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.capture import CaptureSource
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES, ImagesSource
from edgeseg.runtime.sources.jpeg_stream import is_jpeg_stream
from edgeseg.runtime.sources.synthetic import SCHEME, SyntheticSource
from edgeseg.runtime.sources.video import VideoSource

__all__ = ["Source", "open_source"]

GSTREAMER_PREFIX = "gst:"
CAMERA_INDEX_DIGITS = 3
DEVICE_FOLDER = "/dev/"
URL_SCHEMES = ("rtsp", "rtsps", "http", "https")


def open_source(text: str | os.PathLike[str]) -> Source:
    """Open a source of frames.

    Args:
        text: a camera index (`0`), a device path (`/dev/video0`), a video or image file, a folder of images
            (read in natural order: 2 before 10), `rtsp://`, `http://`, a GStreamer pipeline (`gst:...`)
            that ends in an appsink, or `synthetic:` (`synthetic:WIDTHxHEIGHT?seed=3&frames=100`).
            A file named by digits alone is written `./0`.

    Raises:
        UsageError: if `text` is none of these.
        SourceError: if it is one of these but cannot be opened.
    """
    text = os.fspath(text)
    if not text:
        raise UsageError("SOURCE is empty; is a shell variable unset? The working folder is written .")
    if text.startswith(SCHEME):
        return SyntheticSource.parse(text)
    if text.startswith(GSTREAMER_PREFIX):
        return CaptureSource.gstreamer(text.removeprefix(GSTREAMER_PREFIX))
    if match := re.match(r"([a-z][a-z0-9+.-]*)://", text, re.IGNORECASE):
        if match[1].lower() not in URL_SCHEMES:
            raise UsageError(f"{match[1]}:// is not a source; URLs begin with {', '.join(URL_SCHEMES)}")
        return VideoSource.url(text)
    if text.isdecimal() and len(text) <= CAMERA_INDEX_DIGITS:
        return CaptureSource.camera(int(text))
    return _open_path(Path(text))


def _open_path(path: Path) -> Source:
    try:
        status = path.stat()
    except FileNotFoundError:
        if str(path).startswith(DEVICE_FOLDER):
            return CaptureSource.camera(str(path))  # says which cameras there are
        raise SourceError(f"there is no file or folder {path}{_nearest(path)}") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISCHR(status.st_mode):
        return CaptureSource.camera(str(path))
    if path.is_dir():
        return ImagesSource.folder(path)
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path} is no file, folder or camera (a pipe?); save its content as a file first")
    if not status.st_size:
        raise SourceError(f"{path} is empty (0 bytes); copy or record it again")
    if is_jpeg_stream(path):
        return VideoSource.file(path, form="mjpeg")
    if path.suffix.lower() in IMAGE_SUFFIXES or cv2.haveImageReader(str(path)):
        return ImagesSource.file(path)
    return VideoSource.file(path)


def _nearest(path: Path) -> str:
    """Name the neighbour that the user may have meant."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return "; check the path"
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else "; check the path"

"""Turn what a user calls a source into frames: camera, device, video, image, folder, stream, `synthetic:`."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path

from edgeseg.errors import SourceError, UsageError
from edgeseg.opencv import cv2, is_installed
from edgeseg.runtime.sources.address import GSTREAMER_PREFIX, without_password
from edgeseg.runtime.sources.arrays import ARRAY_SUFFIXES, ArraysSource
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.capture import CaptureSource
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES, ImagesSource
from edgeseg.runtime.sources.jpeg_stream import is_jpeg_stream
from edgeseg.runtime.sources.network import SCHEMES, URL
from edgeseg.runtime.sources.options import camera_options, split_options
from edgeseg.runtime.sources.synthetic import SCHEME, SyntheticSource
from edgeseg.runtime.sources.video import VideoSource
from edgeseg.spec import InputSpec

__all__ = ["Source", "open_file", "open_source"]

CAMERA_INDEX_DIGITS = 3
DEVICE_FOLDER = "/dev/"
URLS = ", ".join(f"{scheme}://" for scheme in SCHEMES)


def open_source(text: str | os.PathLike[str], taken: InputSpec | None = None) -> Source:
    """Open a source of frames.

    Args:
        text: one of

            - a video or image file, or a folder of images (read in natural order: 2 before 10); a file named
              by digits alone is written `./0`;
            - a camera by its index (`0`) or device path, with options of its driver:
              `/dev/video0#size=1280x720&fps=30&format=MJPG`;
            - a URL with a scheme of `network.SCHEMES`, with options of the connection:
              `rtsp://camera/1#transport=udp&open-timeout=5&read-timeout=5`;
            - a GStreamer pipeline that ends in an appsink: `gst:...`;
            - generated scenes: `synthetic:WIDTHxHEIGHT?seed=3&frames=100`.

            Options stand behind #, `KEY=VALUE&KEY=VALUE`; see `options`. A # that belongs to a URL is
            written %23.
        taken: the network's input. Of other than three channels of uint8, or other numbers, there are files
            and folders of arrays alone: see `ArraysSource`. None stands for a camera's pictures.

    Raises:
        UsageError: if `text` is none of these, or its options are wrong.
        SourceError: if it is one of these but cannot be opened.
    """
    text = os.fspath(text)
    if not text:
        raise UsageError("SOURCE is empty; is a shell variable unset? The working folder is written .")
    if taken is not None and not taken.takes_camera_frames:
        return _open_arrays(text, taken)
    if text.startswith(SCHEME):
        return SyntheticSource.parse(text)
    if text.startswith(GSTREAMER_PREFIX):
        return CaptureSource.gstreamer(text.removeprefix(GSTREAMER_PREFIX))
    if URL.fullmatch(text):
        return VideoSource.url(text)
    place, options = split_options(text)
    if place.isdecimal() and len(place) <= CAMERA_INDEX_DIGITS:
        return CaptureSource.camera(int(place), camera_options(options, f"camera {place}"))
    if place.startswith(DEVICE_FOLDER) and options:
        return CaptureSource.camera(place, camera_options(options, without_password(text)))
    return _open_path(Path(text))


def open_file(path: Path, taken: InputSpec | None = None) -> Source:
    """Open a file, or a folder of pictures, whatever its name looks like; see `open_source`.

    Raises:
        UsageError: if the network takes arrays, which such files do not hold.
        SourceError: if it cannot be opened.
    """
    try:
        path.stat()
    except FileNotFoundError as error:
        reason = "a link to what is not there" if path.is_symlink() else "not there any more"
        raise SourceError(f"{path} is {reason}") from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    if taken is not None and not taken.takes_camera_frames:
        return _open_arrays(str(path.absolute()), taken)
    return _open_path(path)


def _open_arrays(text: str, taken: InputSpec) -> Source:
    path = Path(text)
    if not URL.fullmatch(text) and (path.is_dir() or path.suffix.lower() in ARRAY_SUFFIXES):
        if path.exists():
            return ArraysSource.of(path, taken)
        raise SourceError(f"there is no file or folder {path}{_nearest(path)}")
    raise UsageError(
        f"the network takes {taken.channels} channels of {taken.dtype}, which cameras, videos and photos do "
        f"not give: take a file or a folder of arrays ({', '.join(sorted(ARRAY_SUFFIXES))}), or call the "
        f"Segmenter with arrays; got {without_password(text)}"
    )


def _open_path(path: Path) -> Source:
    try:
        status = path.stat()
    except FileNotFoundError:
        if str(path).startswith(DEVICE_FOLDER):
            return CaptureSource.camera(str(path))  # says which cameras there are
        shown = without_password(str(path))
        if shown != str(path):  # it may have been meant as an address
            raise SourceError(
                f"there is no file or folder {shown}; a URL begins with its scheme, {URLS}"
            ) from None
        raise SourceError(f"there is no file or folder {path}{_nearest(path)}") from None
    except (OSError, ValueError) as error:
        shown = without_password(str(path))
        reason = getattr(error, "strerror", None) or "no file has such a name"
        raise SourceError(f"cannot read {shown}: {reason}") from None
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
    if path.suffix.lower() in IMAGE_SUFFIXES or (is_installed() and cv2.haveImageReader(str(path))):
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

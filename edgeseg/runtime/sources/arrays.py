"""Read files of arrays (`.npy`, TIFF, PNG) as frames of a network's own channels and type, nothing converted.

TIFF is read by tifffile: OpenCV gives the first sample alone of two to four that are no colours, says nothing
of it, and reads no more than four.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import MissingExtraError, ShapeError, SourceError, one_line
from edgeseg.extras import require
from edgeseg.frames.preprocess import fitted
from edgeseg.opencv import cv2
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.budget import check_pixels
from edgeseg.runtime.sources.image_file import read_stored
from edgeseg.runtime.sources.images import natural_key
from edgeseg.spec import RGB_CHANNELS, InputSpec

NUMPY, PNG, TIFF = ".npy", ".png", (".tif", ".tiff")
ARRAY_SUFFIXES = frozenset((NUMPY, PNG, *TIFF))
CAMERA_BYTES = 3  # of a pixel, which the limit of pixels is about
ORIENTATION, UPRIGHT = 274, 1  # a tag of TIFF, and its value where nothing is to be turned
AXES_FIRST, AXES_LAST = "SYX", "YXS"  # of one page, as tifffile names them


class ArraysSource(Source):
    """Frames from files of arrays, whose names go with them; nothing is scaled, and no channel is dropped.

    A `.npy` file holds one frame, (H, W, C) or, where that cannot be meant otherwise, (C, H, W); of one
    channel (H, W). A TIFF file holds a frame in each page, or in all its pages together, a channel a page.
    Where the network takes colours first, TIFF's red, green and blue become blue, green and red, as frames
    have them; channels of `.npy` files lie as they are to be.

    With several files, one that cannot be read is put on `skipped` and the next one is read; if none can be
    read, that is an error. A single file that cannot be read is an error.

    Args:
        paths: of the files.
        name: of the source.
        taken: says what a frame is.
    """

    def __init__(self, paths: Sequence[Path], name: str, taken: InputSpec) -> None:
        super().__init__()
        self.name = name
        self.files = paths
        self.frame_count = len(paths)
        self._taken = taken
        self._frames = self._read_all()

    @classmethod
    def of(cls, path: Path, taken: InputSpec) -> ArraysSource:
        """Read one file, or all of a folder in natural order.

        Raises:
            SourceError: if the folder cannot be listed, or there is no such file.
        """
        try:
            within = path.iterdir() if path.is_dir() else (path,)
            found = [p for p in within if p.suffix.lower() in ARRAY_SUFFIXES and p.is_file()]
        except OSError as error:
            raise SourceError(f"cannot list {path}: {error.strerror or error}") from error
        if not found:
            kinds = ", ".join(sorted(ARRAY_SUFFIXES))
            raise SourceError(f"{path} holds no array (of {kinds}); subfolders are not searched")
        return cls(sorted(found, key=natural_key), str(path), taken)

    def read(self) -> Frame | None:
        """Return the next readable frame; see `Source.read`."""
        return None if self.closed else next(self._frames, None)

    def _read_all(self) -> Iterator[Frame]:
        index = unreadable = 0
        for path in self.files:
            time_s = time.monotonic()
            try:
                images = self._images_of(path)
                for number, image in enumerate(images):
                    page = number if len(images) > 1 else None
                    yield Frame(image, index + number, time_s, path.name, page=page)
                index += len(images)
            except SourceError as error:
                self.skipped.append(str(error))
                index += 1
                unreadable += 1
                if len(self.files) == 1:
                    raise
                if unreadable == len(self.files):
                    raise SourceError(
                        f"none of the {unreadable} files in {self.name} can be read: {error}"
                    ) from error

    def _images_of(self, path: Path) -> list[NDArray[Any]]:
        suffix = path.suffix.lower()
        try:
            if suffix == NUMPY:
                images = [self._channels_last(_read_numpy(path))]
            elif suffix == PNG:
                images = [read_stored(path, cv2.IMREAD_UNCHANGED)]
            else:
                images = self._read_tiff(path)
            return [fitted(self._as_taken(path, image), self._taken) for image in images]
        except ShapeError as error:
            raise SourceError(f"{path}: {error}") from error

    def _as_taken(self, path: Path, image: NDArray[Any]) -> NDArray[Any]:
        """Put numbers into the machine's byte order, and those of many bits into a float32 input, noted."""
        if self._taken.dtype == "float32" and image.dtype.name in ("float64", "int32", "uint32", "int64"):
            note = f"{image.dtype.name} values in {self.name} are rounded to float32"
            if note not in self.notes:
                self.notes.append(note)
            return image.astype(np.float32)
        return np.ascontiguousarray(image, image.dtype.newbyteorder("="))

    def _channels_last(self, image: NDArray[Any]) -> NDArray[Any]:
        if image.ndim != 3:  # noqa: PLR2004 - (C, H, W)
            return image
        wanted = self._taken.channels
        if wanted != image.shape[0] or wanted == image.shape[2]:
            return image
        return np.moveaxis(image, 0, -1)

    def _read_tiff(self, path: Path) -> list[NDArray[Any]]:
        """Read a file's frames: a page each, or of as many pages of one sample as there are channels."""
        tifffile = require("tifffile", "tiff")
        channels = self._taken.channels
        try:
            with tifffile.TiffFile(path) as file:
                pages = [page for page in file.pages if not page.is_reduced and not page.is_mask]
                _check_pages(path, pages)
                samples = {page.samplesperpixel for page in pages}
                if samples == {channels}:
                    return [self._page(page) for page in pages]
                shapes = {(page.imagelength, page.imagewidth) for page in pages}
                if samples == {1} and len(pages) == channels and len(shapes) == 1:
                    return [np.stack([page.asarray() for page in pages], axis=-1)]
        except (SourceError, MissingExtraError):
            raise
        except Exception as error:  # whatever is in the file
            raise SourceError(f"cannot read {path}: {one_line(str(error))}") from error
        each = " or ".join(map(str, sorted(samples)))
        raise SourceError(
            f"{path} has {len(pages)} pages of {each} channels, the network takes {channels}: save a frame a "
            "page, or one frame with a channel a page"
        )

    def _page(self, page: Any) -> NDArray[Any]:
        """Read one page, (H, W, C), colours as frames have them."""
        image: NDArray[Any] = page.asarray()
        if page.axes == AXES_FIRST:
            image = np.moveaxis(image, 0, -1)
        is_rgb = getattr(page.photometric, "name", "") == "RGB"
        if is_rgb and self._taken.channel_order == "bgr":
            others = range(RGB_CHANNELS, self._taken.channels)
            image = image[:, :, [2, 1, 0, *others]]
        return image


def _check_pages(path: Path, pages: Sequence[Any]) -> None:
    """Look at what pages declare before anything is read. Raises SourceError."""
    if not pages:
        raise SourceError(f"{path} holds no picture; save it again")
    for page in pages:
        pixel_bytes = page.samplesperpixel * max(page.bitspersample // 8, 1)
        _check_size(path, page.imagelength, page.imagewidth, pixel_bytes * len(pages))
        tag = page.tags.get(ORIENTATION)
        if tag is not None and tag.value != UPRIGHT:
            raise SourceError(f"{path} says that it is turned (orientation {tag.value}); save it upright")


def _read_numpy(path: Path) -> NDArray[Any]:
    """Read an array, no Python object in it. Raises SourceError."""
    try:
        declared = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # whatever is in the file
        raise SourceError(f"cannot read {path}: {one_line(str(error))}; save it by numpy.save") from error
    if not isinstance(declared, np.ndarray):
        raise SourceError(f"{path} holds several arrays; save one by numpy.save")
    if declared.ndim < 2 or not declared.size:  # noqa: PLR2004 - (H, W)
        raise SourceError(f"{path} holds an array of shape {declared.shape}, which is no image")
    _check_size(path, 1, 1, declared.nbytes)
    return np.array(declared)


def _check_size(path: Path, height: int, width: int, pixel_bytes: int) -> None:
    """Count a pixel of more bytes than a camera's as several."""
    times = -(-pixel_bytes // CAMERA_BYTES)
    check_pixels(f"{path} (counted by bytes, {CAMERA_BYTES} a pixel)", width * times, height)

"""Say what every sink takes, and write files so that they are whole or absent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TypeVar, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.results import InstanceResult, SemanticResult

Result = Union[SemanticResult, InstanceResult]  # noqa: UP007 - evaluated at run time
SinkT = TypeVar("SinkT", bound="Sink")


class Sink(ABC):
    """Where results go; close it, or use it as a context manager, and what was written is readable.

    What its path held before stays until there is a result to put in its place.

    Attributes:
        path: the file or folder it writes.
        needs_overlay: `write` wants the overlay drawn.
    """

    path: Path
    needs_overlay: bool = False

    @abstractmethod
    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Write one result; `overlay` is (H, W, 3) uint8 BGR where `needs_overlay`.

        Raises:
            SinkError: if it cannot be written: no permission, a full disk.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the output; may be called twice. Raises SinkError if it turns out not to be readable."""

    def __enter__(self: SinkT) -> SinkT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def unwritable(path: Path, error: OSError) -> SinkError:
    """Say in one line why a path cannot be written."""
    return SinkError(f"cannot write {path}: {error.strerror or error}; choose another -o or make room")


def make_folder(folder: Path) -> None:
    """Make a folder with its parents. Raises SinkError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def check_writable(path: Path) -> None:
    """Find out whether a file can be written, without changing it or leaving one. Raises SinkError."""
    target = path.resolve()
    exists = target.exists()
    if exists and not target.is_file():
        return  # a pipe or a device: opening one and closing it again is not without effect
    try:
        target.open("ab").close()
        if not exists:
            target.unlink()
    except OSError as error:
        raise unwritable(path, error) from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file at once or not at all: beside its place first, then moved there. Raises SinkError."""
    staged = path.with_name(f".{path.name}.part")
    try:
        try:
            staged.write_bytes(data)
            staged.replace(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def encode_image(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode an image in the format of the path's suffix. Raises SinkError if OpenCV cannot."""
    try:
        ok, data = cv2.imencode(path.suffix.lower(), image)
    except cv2.error as error:
        raise SinkError(f"cannot encode {path}: {error.err}; use .png") from error
    if not ok:
        raise SinkError(f"cannot encode {path} with {image.shape[1]}x{image.shape[0]} pixels; use .png")
    return data.tobytes()

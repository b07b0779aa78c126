"""Say what every sink takes, and encode images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.frames.results import Result
from edgeseg.opencv import cv2, is_installed
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.pillow import encode_picture

SinkT = TypeVar("SinkT", bound="Sink")


class Sink(ABC):
    """Where results go; close it, or use it as a context manager, and what was written is readable.

    What its path held before stays until there is a result to put in its place.

    Attributes:
        path: the file or folder it writes; where it writes none, what its name is made of.
        needs_overlay: `write` wants the overlay drawn.
        notes: one line for each thing that was written, or left out, otherwise than a user might expect.
        trouble: one line on what keeps results that `write` took from where they go; empty while all is well.
        lost: results that `write` took and that never got there.
    """

    path: Path
    needs_overlay: bool = False
    notes: Sequence[str] = ()
    trouble: str = ""
    lost: int = 0

    @property
    def name(self) -> str:
        """What to call it in messages: its path or its address, without passwords."""
        return str(self.path)

    @abstractmethod
    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Write one result; `overlay` is (H, W, 3) uint8 BGR where `needs_overlay`.

        Other sinks read the same arrays at the same time: they must not be changed. After an error the next
        result may be written, and is, where results may be lost.

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


def encode_image(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode an image in the format of the path's suffix.

    Raises:
        SinkError: if OpenCV cannot.
        MissingExtraError: if it is not installed, and Pillow cannot stand in.
    """
    if not is_installed():
        return encode_picture(path, image)
    try:
        ok, data = cv2.imencode(path.suffix.lower(), image)
    except cv2.error as error:
        raise SinkError(f"cannot encode {path}: {error.err}; use .png") from error
    if not ok:
        raise SinkError(f"cannot encode {path} with {image.shape[1]}x{image.shape[0]} pixels; use .png")
    return data.tobytes()

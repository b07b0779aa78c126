"""Write results as JSON lines: one object a frame, masks as COCO run-length encoding."""

from __future__ import annotations

from contextlib import suppress
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.files import Claim, check_writable, unwritable
from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.describe import describe, to_line
from edgeseg.spec import ModelSpec


class JsonLinesSink(Sink):
    """A `.jsonl` file. Nothing is held back: a run that is cut short leaves whole lines, as does a full disk.

    Keys: those of `describe.describe`, and `instances`: COCO results (`image_id` is the frame's index, `bbox`
    is xywh in pixels, `score`, and where objects are tracked `track_id`, null for none) or `segments`: one
    item a class that occurs (`area` in pixels); both with `category_id`, `category_name` (null for the label
    255, "not sure") and `segmentation`.
    The first line replaces what the file held before. What of a file's name is not UTF-8 becomes `?`.
    """

    def __init__(self, path: Path, spec: ModelSpec) -> None:
        self.path = path
        self._spec = spec
        self._file: FileIO | None = None
        self._whole_bytes = 0  # of the lines that stand in the file
        self._claim = Claim(path, in_place=True)
        check_writable(path)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None = None) -> None:
        """Append one line; see `Sink.write`."""
        data = to_line(describe(frame, result, self._spec.class_names, masks=True)) + b"\n"
        remaining = memoryview(data)
        try:
            if self._file is None:
                self._file = self.path.open("wb", buffering=0)
            while remaining:
                remaining = remaining[self._file.write(remaining) :]
        except OSError as error:
            self._drop_half_a_line()
            raise unwritable(self.path, error) from error
        self._whole_bytes += len(data)

    def close(self) -> None:
        """Close the file."""
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            raise SinkError(f"cannot finish {self.path}: {error.strerror or error}") from error
        finally:
            self._claim.release()

    def _drop_half_a_line(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a pipe or a device takes nothing back
                self._file.truncate(self._whole_bytes)
                self._file.seek(self._whole_bytes)

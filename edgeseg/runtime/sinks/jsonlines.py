"""Write results as JSON lines: one object a frame, masks as COCO run-length encoding."""

from __future__ import annotations

import json
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.files import Claim, check_writable, unwritable
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.results import SemanticResult
from edgeseg.runtime.sinks.base import Result, Sink
from edgeseg.spec import ModelSpec

TIME_DIGITS = 6  # of seconds: finer than the clock of any container but those of nanoseconds


class JsonLinesSink(Sink):
    """A `.jsonl` file. Nothing is held back: a run that is cut short leaves whole lines, as does a full disk.

    Keys: `index`, `time_s` (monotonic clock), `media_s` (seconds on the source's own clock, or null), `name`
    (file name or null), `page` (number of the picture in a file that holds several, or null), `size_hw`, and
    `instances`: COCO results (`image_id` is the frame's index, `bbox` is xywh in pixels, `score`, and where
    objects are tracked `track_id`, null for none) or `segments`: one item a class that occurs (`area` in
    pixels); both with `category_id`, `category_name` (null for the label 255, "not sure") and `segmentation`.
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
        line = json.dumps(self._describe(frame, result), ensure_ascii=False, separators=(",", ":"))
        data = line.encode(errors="replace") + b"\n"
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

    def _describe(self, frame: Frame, result: Result) -> dict[str, Any]:
        head = {
            "index": frame.index,
            "time_s": round(frame.time_s, TIME_DIGITS),
            "media_s": None if frame.media_s is None else round(frame.media_s, TIME_DIGITS),
            "name": frame.name,
            "page": frame.page,
            "size_hw": list(frame.image.shape[:2]),
        }
        names = dict(enumerate(self._spec.class_names))
        if isinstance(result, SemanticResult):
            segments = result.to_segments()
            return {
                **head,
                "segments": [{**s, "category_name": names.get(s["category_id"])} for s in segments],
            }
        found = result.to_coco(image_id=frame.index)
        return {**head, "instances": [{**i, "category_name": names[i["category_id"]]} for i in found]}

"""Write results as one JSON file in the COCO results format."""

from __future__ import annotations

from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.files import Claim, check_writable, unwritable
from edgeseg.frames.results import Result, SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.describe import to_line

OPEN, BETWEEN, CLOSE = b"[\n", b",\n", b"\n]\n"
CERTAIN = 1.0  # the score of segments, which have none; evaluation wants one


class CocoSink(Sink):
    """A `.json` file that pycocotools loads by `COCO.loadRes`: a list of results of all frames.

    `image_id` is the frame's index and `category_id` the class id. Semantic results are one item a class that
    occurs, with the score 1. The list is closed after every frame: a run that is cut short leaves it whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None
        self._whole_bytes = 0  # up to the end of the last item
        self._has_items = False
        self._claim = Claim(path, in_place=True)
        check_writable(path)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None = None) -> None:
        """Append the results of one frame; see `Sink.write`."""
        items = BETWEEN.join(to_line(item) for item in _items(frame, result))
        begin = b"" if not items else BETWEEN if self._has_items else OPEN
        try:
            if self._file is None:
                self._file = self.path.open("wb", buffering=0)
            self._put(begin + items + CLOSE if items or self._has_items else OPEN + CLOSE)
        except OSError as error:
            with suppress(OSError):
                self._put(CLOSE if self._has_items else OPEN + CLOSE)
            raise unwritable(self.path, error) from error
        self._whole_bytes += len(begin) + len(items)
        self._has_items = self._has_items or bool(items)

    def close(self) -> None:
        """Close the file."""
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            raise SinkError(f"cannot finish {self.path}: {error.strerror or error}") from error
        finally:
            self._claim.release()

    def _put(self, data: bytes) -> None:
        """Write from the end of the last item on."""
        assert self._file is not None
        self._file.seek(self._whole_bytes)
        self._file.truncate()
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[self._file.write(remaining) :]


def _items(frame: Frame, result: Result) -> list[dict[str, Any]]:
    if isinstance(result, SemanticResult):
        return [
            {
                "image_id": frame.index,
                "category_id": segment["category_id"],
                "segmentation": segment["segmentation"],
                "score": CERTAIN,
            }
            for segment in result.to_segments()
        ]
    return [dict(found) for found in result.to_coco(image_id=frame.index)]

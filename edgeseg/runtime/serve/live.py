"""Keep the newest result of a stream for those who look, and encode it once for all of them."""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.frames.results import Result, SemanticResult, track_or_none
from edgeseg.opencv import cv2
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink
from edgeseg.spec import VOID_LABEL, InputSpec

MOST_SIDE_PX = 1280  # of a picture: a page shows no more, and a network carries it
JPEG_QUALITY = 80
MOST_INSTANCES = 255  # that a map of 8 bits tells apart, best scores first; 0 is none
KEPT = 4  # pictures: a client that has read a result fetches its picture a moment later
LEAST_APART_S = 1 / 12  # between results that are shown; no eye needs more, and each is encoded


class Shot:
    """One frame and its result, encoded when somebody first asks; any number of threads may ask at once.

    Attributes:
        number: of the result in its stream, from 1.
    """

    def __init__(self, number: int, frame: Frame, result: Result) -> None:
        self.number = number
        self._frame = frame
        self._result = result
        self._encoding = threading.Lock()

    def jpeg(self) -> bytes:
        """Give the picture as a JPEG, its longer side MOST_SIDE_PX or less."""
        with self._encoding:
            return self._jpeg

    def label_map(self) -> bytes:
        """Give what is where as an 8-bit PNG of the picture's size.

        Of semantic results the class of each pixel, VOID_LABEL where there is none; of instances 1 and more
        for their place in `summary`, the best on top, 0 where there is none.
        """
        with self._encoding:
            return self._label_map

    def label_bytes(self) -> bytes:
        """Give the same map as bytes, row after row, in a zlib stream (RFC 1950).

        A browser that hides what it is by noise changes what a page reads of a PNG, and classes with it.
        """
        with self._encoding:
            return self._label_bytes

    def summary(self) -> dict[str, Any]:
        """Give the rest as values for JSON; boxes are xyxy in pixels of the frame."""
        with self._encoding:
            return self._summary

    @cached_property
    def _summary(self) -> dict[str, Any]:
        height, width = self._result.frame_hw
        summary: dict[str, Any] = {
            "number": self.number,
            "index": self._frame.index,
            "media_s": self._frame.media_s,
            "width": width,
            "height": height,
        }
        if isinstance(self._result, SemanticResult):
            areas = np.bincount(self._result.labels.ravel(), minlength=VOID_LABEL)[:VOID_LABEL]
            return {
                **summary,
                "areas": {int(i): int(areas[i]) for i in np.flatnonzero(areas)},
            }
        return {**summary, "instances": self._instances()}

    def _instances(self) -> list[dict[str, Any]]:
        result = self._result
        assert not isinstance(result, SemanticResult)
        tracks = [None] * len(result) if result.track_ids is None else map(track_or_none, result.track_ids)
        return [
            {
                "box": [round(side, 1) for side in box],
                "score": round(score, 3),
                "class_id": class_id,
                "track_id": track_id,
            }
            for box, score, class_id, track_id in zip(
                result.boxes.tolist(), result.scores.tolist(), result.class_ids.tolist(), tracks, strict=True
            )
        ][:MOST_INSTANCES]

    @property
    def _size_wh(self) -> tuple[int, int]:
        height, width = self._result.frame_hw
        scale = min(1.0, MOST_SIDE_PX / max(height, width))
        return max(1, round(width * scale)), max(1, round(height * scale))

    @cached_property
    def _jpeg(self) -> bytes:
        picture = self._frame.image
        if self._size_wh != picture.shape[1::-1]:
            picture = np.asarray(cv2.resize(picture, self._size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        return _encode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])

    @cached_property
    def _label_map(self) -> bytes:
        return _encode(".png", self._labels, [cv2.IMWRITE_PNG_COMPRESSION, 1])

    @cached_property
    def _label_bytes(self) -> bytes:
        return zlib.compress(self._labels.tobytes(), 1)

    @cached_property
    def _labels(self) -> NDArray[np.uint8]:
        """The map at the picture's size."""
        labels = self._full_labels()
        if self._size_wh != labels.shape[::-1]:
            labels = np.asarray(cv2.resize(labels, self._size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)
        return labels

    def _full_labels(self) -> NDArray[np.uint8]:
        """Give the map (H, W) at the frame's size."""
        if isinstance(self._result, SemanticResult):
            return self._result.labels
        labels = np.zeros(self._result.frame_hw, np.uint8)
        crops = self._result.crops()[:MOST_INSTANCES]
        for place in range(len(crops), 0, -1):
            labels[crops[place - 1].window][crops[place - 1].mask] = place
        return labels


def check_shown(taken: InputSpec) -> None:
    """Raise UsageError where frames are no pictures that a browser shows."""
    if not taken.takes_camera_frames:
        raise UsageError(
            f"the page shows a camera's pictures, this network takes {taken.channels} channels of "
            f"{taken.dtype}; run without it"
        )


class LiveSink(Sink):
    """The newest results of one stream, for the page: writing one is keeping it, and costs nothing.

    What one client was shown, the others are shown too, until LEAST_APART_S later the newest takes its place.
    """

    path = Path("page")

    def __init__(self) -> None:
        self._latest: Shot | None = None
        self._number = 0
        self._shots: deque[Shot] = deque(maxlen=KEPT)  # that were shown
        self._shown_s = 0.0
        self._showing = threading.Lock()

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Keep a result; see `Sink.write`."""
        self._number += 1
        self._latest = Shot(self._number, frame, result)

    def newest(self, after: int = 0) -> Shot | None:
        """Give the newest that is shown if its number is not `after`; a new sink counts from 1 again."""
        with self._showing:
            latest, now_s = self._latest, time.monotonic()
            if latest is None:
                return None
            if not self._shots or (latest is not self._shots[-1] and now_s - self._shown_s >= LEAST_APART_S):
                self._shots.append(latest)
                self._shown_s = now_s
            shot = self._shots[-1]
        return shot if shot.number != after else None

    def numbered(self, number: int) -> Shot | None:
        """Give the result of that number; None if it is gone, or was not shown."""
        with self._showing:
            return next((shot for shot in self._shots if shot.number == number), None)

    def close(self) -> None:
        """Show the last result, and no more."""


def _encode(suffix: str, image: NDArray[np.uint8], options: list[int]) -> bytes:
    _, data = cv2.imencode(suffix, image, options)
    return data.tobytes()

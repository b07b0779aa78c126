"""Tell a frozen picture: the same bytes for longer than any camera shows."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

SAMPLE_STEP = 16  # rows and columns; one pixel of each such block is compared in every frame
WHOLE_EVERY_S = 1.0  # the whole picture, while the sample stays the same: it takes some milliseconds


class Stillness:
    """How long the picture has been the same.

    Keeps no frame: a sample of the last one, and a checksum of it where the sample did not change.
    """

    def __init__(self) -> None:
        self._sample: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._checksum: int | None = None
        self._checked_s = 0.0
        self._since_s = 0.0

    def seen_s(self, image: NDArray[np.uint8], now_s: float) -> float:
        """Look at the next frame (H, W, 3); return the seconds for which it has been the same."""
        sample = image[::SAMPLE_STEP, ::SAMPLE_STEP].copy()
        if not np.array_equal(sample, self._sample):
            self._sample, self._checksum, self._since_s = sample, None, now_s
        elif self._checksum is None or now_s - self._checked_s >= WHOLE_EVERY_S:
            checksum = zlib.crc32(np.ascontiguousarray(image).data)
            if checksum != self._checksum:
                self._checksum, self._since_s = checksum, now_s
            self._checked_s = now_s
        return now_s - self._since_s

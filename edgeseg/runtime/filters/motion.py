"""Tell where a picture moved since the frame before, whatever the noise of its camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError
from edgeseg.opencv import cv2
from edgeseg.spec import RGB_CHANNELS

CELL_PX = 4  # side of the squares whose means are compared: noise falls by as much
LEAST_CHANGE = 6.0  # grey levels, summed over the channels, of a cell's mean: rounding alone makes half of it
CHANGE_TO_NOISE = 2.5  # over three standard deviations of three channels' noise above its median
LEAST_CELLS = 2  # of three by three: what moves has an edge, and noise is alone
REACH_CELLS = 2  # around what moved: blur, shadows and a wide view change labels there
LARGEST_NOISE = 7.0  # median, summed over the channels: that of a standard deviation of 7 grey levels

_AROUND = np.ones((2 * REACH_CELLS + 1, 2 * REACH_CELLS + 1), np.uint8)


class Motion:
    """Compares each frame of one stream with the one before it.

    Noise is what the median cell changes by, that of a camera or of a video's key frames. It is believed up
    to LARGEST_NOISE: where most of the picture moves the median is motion, and must not pass for noise.
    """

    def __init__(self) -> None:
        self._cells: NDArray[np.uint8] | None = None

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Mark the cells of a frame (H, W, 3) where it, or a cell within REACH_CELLS, moved.

        Returns:
            (ceil(H / CELL_PX), ceil(W / CELL_PX)) uint8, 255 where something moved; everywhere in the first
            frame and where the size of frames changes.

        Raises:
            ShapeError: if the frame is no such picture.
        """
        if image.shape[2:] != (RGB_CHANNELS,) or image.dtype != np.uint8:
            raise ShapeError(
                "smoothing follows what moves in a camera's pictures, (H, W, 3) uint8, got "
                f"{image.shape} {image.dtype}; run without it"
            )
        height, width = image.shape[:2]
        size_wh = (-(-width // CELL_PX), -(-height // CELL_PX))
        cells = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        earlier, self._cells = self._cells, cells
        if earlier is None or earlier.shape != cells.shape:
            return np.full(size_wh[::-1], 255, np.uint8)
        change = cv2.absdiff(cells, earlier).sum(axis=2, dtype=np.uint16)
        noise = min(float(np.median(change)), LARGEST_NOISE)
        moved = (change > max(LEAST_CHANGE, CHANGE_TO_NOISE * noise)).astype(np.uint8)
        together = moved * np.uint8(255) * (cv2.boxFilter(moved, -1, (3, 3), normalize=False) >= LEAST_CELLS)
        return np.asarray(cv2.dilate(together, _AROUND), np.uint8)

"""Turn a picture into a frame larger than it, by integer arithmetic alone: the same bytes on every machine.

Its pixels are repeated, and noise of its own lies on each pixel of the frame: what is resized differs with
the filter, and with where the filter looks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOISE_LEVELS = 32  # grey levels
BAND_ROWS = 256  # that are made at a time, to spare memory


def enlarged(picture: NDArray[np.uint8], size_hw: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Enlarge a picture (h, w, 3).

    Args:
        size_hw: of the frame, in pixels.
        seed: of the noise, 0 to 2**31 - 1.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = size_hw
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size_hw, picture.shape[:2], strict=True)
    )
    frame = np.empty((height, width, 3), np.uint8)
    for first in range(0, height, BAND_ROWS):
        band = slice(first, min(first + BAND_ROWS, height))
        values = picture[rows[band]][:, columns].astype(np.int16)
        values += _noise(band, width, seed)[..., None]
        frame[band] = values.clip(0, 255)
    return frame


def _noise(band: slice, width: int, seed: int) -> NDArray[np.int16]:
    """Hash coordinates to noise of mean 0, (rows, width); Knuth's multiplicative hash."""
    y = np.arange(band.start, band.stop, dtype=np.uint32)[:, None] * np.uint32(19349663)
    x = np.arange(width, dtype=np.uint32) * np.uint32(73856093)
    hashed = (x ^ y ^ np.uint32(seed * 83492791 & 0xFFFFFFFF)) * np.uint32(2654435761)
    noise: NDArray[np.int16] = ((hashed >> np.uint32(16)) % np.uint32(NOISE_LEVELS)).astype(np.int16)
    noise -= np.int16(NOISE_LEVELS // 2)
    return noise

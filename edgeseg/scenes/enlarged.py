"""Turn a picture into a frame larger than it, by integer arithmetic alone: the same bytes on every machine.

Its pixels are repeated, and noise of its own lies on each pixel of the frame: what is resized differs with
the filter, and with where the filter looks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NOISE_LEVELS = 32  # grey levels
MOST_LEVEL = 255
BAND_ROWS = 256  # that are made at a time, to spare memory


def enlarged(picture: NDArray[Any], size_hw: tuple[int, int], seed: int) -> NDArray[Any]:
    """Enlarge a picture (h, w, C) uint8, uint16 or float32.

    The noise of other types than uint8 is of the channel's own range, a 255th of which is a level.

    Args:
        size_hw: of the frame, in pixels.
        seed: of the noise, 0 to 2**31 - 1.

    Returns:
        (H, W, C) of the same type.
    """
    height, width = size_hw
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size_hw, picture.shape[:2], strict=True)
    )
    frame = np.empty((height, width, picture.shape[2]), picture.dtype)
    level = _level(picture)
    for first in range(0, height, BAND_ROWS):
        band = slice(first, min(first + BAND_ROWS, height))
        values = picture[rows[band]][:, columns].astype(np.int16 if level is None else np.float64)
        noise = _noise(band, width, seed)[..., None]
        values += noise if level is None else noise * level
        if picture.dtype == np.float32:
            frame[band] = values
        else:
            most = np.iinfo(picture.dtype).max
            frame[band] = (values if level is None else np.rint(values)).clip(0, most)
    return frame


def _level(picture: NDArray[Any]) -> NDArray[np.float64] | None:
    """Give what a grey level is in each channel, (C,); None: 1 in all."""
    if picture.dtype == np.uint8:
        return None
    lowest, highest = (ends.astype(np.float64) for ends in (picture.min((0, 1)), picture.max((0, 1))))
    return np.asarray((highest - lowest) / MOST_LEVEL)


def _noise(band: slice, width: int, seed: int) -> NDArray[np.int16]:
    """Hash coordinates to noise of mean 0, (rows, width); Knuth's multiplicative hash."""
    y = np.arange(band.start, band.stop, dtype=np.uint32)[:, None] * np.uint32(19349663)
    x = np.arange(width, dtype=np.uint32) * np.uint32(73856093)
    hashed = (x ^ y ^ np.uint32(seed * 83492791 & 0xFFFFFFFF)) * np.uint32(2654435761)
    noise: NDArray[np.int16] = ((hashed >> np.uint32(16)) % np.uint32(NOISE_LEVELS)).astype(np.int16)
    noise -= np.int16(NOISE_LEVELS // 2)
    return noise

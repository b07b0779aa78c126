"""Turn one image of any common kind into a frame: BGR uint8 with its index and capture time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError

BYTE_BITS, WORD_BITS = 8, 16
GREY, COLOUR, COLOUR_ALPHA = 1, 3, 4  # channels


@dataclass(frozen=True, eq=False)
class Frame:
    """One image from a source.

    Attributes:
        image: (H, W, 3) uint8 BGR; of arrays (H, W, C) as the network takes it.
        index: position in the source from 0; frames that were dropped keep theirs, so gaps show drops.
        time_s: `time.monotonic()` when a live source handed the frame over, or reading a stored one began.
        name: file name of an image file, None for frames of videos, cameras and synthetic scenes.
        media_s: presentation time in seconds on the source's own clock, which need not begin at 0; None where
            the source has no clock.
        page: number of the picture in an image file that holds several, from 0; else None.
        stream: name of the stream that it belongs to, empty outside of one.
        stages_ms: what each stage took for this frame so far, by its name in `profiling.timing`, and `total`,
            from capture to result, in milliseconds; empty as the source gives it.
    """

    image: NDArray[Any]
    index: int
    time_s: float
    name: str | None = None
    media_s: float | None = None
    page: int | None = None
    stream: str = ""
    stages_ms: Mapping[str, float] = field(default_factory=dict)


def to_bgr8(image: NDArray[Any], *, bits: int = WORD_BITS) -> NDArray[np.uint8]:
    """Turn a grey, colour or colour-with-alpha image of 8 or 16 bits into BGR uint8.

    Alpha is dropped, not composited: the colour under a transparent pixel stays. A 16-bit value v becomes
    v // 256: 65535 gives 255, and no two 8-bit steps fall together. Sensors of 10, 12 or 14 bits leave the
    top of the 16 empty, which would make black pictures: with `bits` v is divided by 2**(bits - 8).

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8 or uint16.
        bits: that 16-bit values really have, 8 to 16; larger values become 255.

    Returns:
        (H, W, 3) uint8 BGR, C-contiguous; `image` itself where it is that already.

    Raises:
        ShapeError: for any other shape or dtype.
    """
    channels = 1 if image.ndim == 2 else image.shape[-1]  # noqa: PLR2004 - (H, W)
    if image.ndim not in (2, 3) or channels not in (GREY, COLOUR, COLOUR_ALPHA) or image.size == 0:
        raise ShapeError(f"an image must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {image.shape}")
    if image.dtype == np.uint16:
        image = _drop_bits(image, bits - BYTE_BITS)
    elif image.dtype != np.uint8:
        raise ShapeError(f"an image must be uint8 or uint16, got {image.dtype}; scale it to 0..255, uint8")
    if channels == GREY:
        return np.repeat(image.reshape(*image.shape[:2], 1), COLOUR, axis=2)
    if channels == COLOUR_ALPHA:
        image = image[:, :, :COLOUR]
    return np.ascontiguousarray(image)


def _drop_bits(image: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Divide by 2**bits without a second array of 16 bits where the values fill them."""
    if bits < WORD_BITS - BYTE_BITS:
        image = np.minimum(image, (1 << bits + BYTE_BITS) - 1)
    dropped = np.empty(image.shape, np.uint8)
    np.right_shift(image, bits, out=dropped, casting="unsafe")
    return dropped

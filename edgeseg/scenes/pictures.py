"""Turn a seed into a test picture by integer arithmetic alone: the same bytes on every machine, for ever.

Textured discs, boxes and stripes of random colours over a shaded, noisy ground: enough edges, colours and
scales to excite a network. No random generator and no floating point, whose results libraries may change.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SHAPES = 14
LEAST_RADIUS_SHARE, MOST_RADIUS_SHARE = 16, 4  # of the short side: 1/16 to 1/4
NOISE_LEVELS = 24  # grey levels
STRIPE_DARKENING = 40  # grey levels
SHAPE_KINDS = 3  # disc, box, striped disc


def picture(seed: int, size_hw: tuple[int, int], channels: int = 3) -> NDArray[np.uint8]:
    """Paint one picture.

    Returns:
        (H, W, C) uint8; of three channels BGR.
    """
    height, width = size_hw
    numbers = _numbers(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    canvas = np.empty((height, width, channels), np.int64)
    for channel in range(channels):
        low, high, tilt = (next(numbers) % 256 for _ in range(3))
        ramp = x * tilt // width + y * (255 - tilt) // height  # 0..255
        canvas[..., channel] = low + (high - low) * ramp // 255
    short = min(height, width)
    for _ in range(SHAPES):
        kind, cx, cy = next(numbers) % SHAPE_KINDS, next(numbers) % width, next(numbers) % height
        least, most = max(short // LEAST_RADIUS_SHARE, 1), max(short // MOST_RADIUS_SHARE, 2)
        radius = least + next(numbers) % (most - least + 1)
        squash = 1 + next(numbers) % 2
        colour = [next(numbers) % 256 for _ in range(channels)]
        dx, dy = x - cx, (y - cy) * squash
        inside = np.maximum(abs(dx), abs(dy)) < radius if kind == 1 else dx * dx + dy * dy < radius * radius
        canvas[inside] = colour
        if kind == SHAPE_KINDS - 1:
            canvas[inside & ((dx + dy) // max(radius // 3, 1) % 2 == 0)] -= STRIPE_DARKENING
    noise = (x * 73856093 ^ y * 19349663 ^ seed * 83492791) & 0xFFFFFFFF
    noise = (noise * 40503 >> 16) % NOISE_LEVELS  # multiplicative hash, Knuth
    canvas += noise[..., None] - NOISE_LEVELS // 2
    return canvas.clip(0, 255).astype(np.uint8)


def pictures(seeds: range | tuple[int, ...], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Paint one picture a seed: (M, H, W, 3) uint8 BGR."""
    return np.stack([picture(seed, size_hw) for seed in seeds])


def _numbers(seed: int) -> Iterator[int]:
    """Yield 16-bit numbers of a linear congruential generator (Numerical Recipes' constants)."""
    state = (seed * 2654435761 + 12345) % 2**32
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state >> 16

"""Images of discs with logits that lie beside them: what a CRF is tested on."""

from __future__ import annotations

import numpy as np


def scene(count: int, size_hw: tuple[int, int] = (30, 37), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Give an image of noisy discs of one colour each, and noisy logits whose discs lie two pixels off."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    labels = np.zeros(size_hw, int)
    for label in range(1, count):
        cy, cx = rng.integers(0, size_hw[0]), rng.integers(0, size_hw[1])
        labels[(y - cy) ** 2 + (x - cx) ** 2 < (size_hw[0] / 3) ** 2] = label
    colours = rng.integers(0, 256, (count, 3))
    image = np.clip(colours[labels] + rng.normal(0, 5, (*size_hw, 3)), 0, 255).astype(np.uint8)
    shifted = np.roll(labels, (2, 2), (0, 1)) == np.arange(count)[:, None, None]
    return image, (shifted * 2.0 + rng.normal(0, 1, (count, *size_hw))).astype(np.float32)

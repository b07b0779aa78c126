"""Turn a folder of pictures, or nothing, into the images that the parity gate compares on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
MOST_IMAGES = 8  # of a folder; more would only repeat what these show
SCENE_SEEDS = (0, 1)  # of the demo's generator, when no folder is given


def gate_images(folder: Path | None, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Read up to MOST_IMAGES pictures of a folder, spread over it, or generate some that look like scenes.

    Returns:
        (M, H, W, 3) uint8 BGR; real pictures are stretched to the size.

    Raises:
        UsageError: if the folder has no readable pictures.
    """
    if folder is None:
        from edgeseg.demo.scenes import generate

        return np.stack([generate(seed, size_hw).image for seed in SCENE_SEEDS])
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of pictures")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    chosen = files[:: max(1, -(-len(files) // MOST_IMAGES))]
    read = [cv2.imread(str(file), cv2.IMREAD_COLOR) for file in chosen]
    height, width = size_hw
    images = [
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        for image in read
        if image is not None
    ]
    if not images:
        raise UsageError(f"{folder} holds no readable pictures ({', '.join(sorted(SUFFIXES))})")
    return np.stack(images).astype(np.uint8)

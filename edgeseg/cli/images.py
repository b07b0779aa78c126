"""Turn images from any source into arrays of a network's size, prepared as the runtime prepares frames."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.spec import InputSpec

MAX_IMAGES = 8  # enough to prove parity; more only take time and memory
CALIBRATION_IMAGES = 64  # beyond some dozens, ranges hardly move


def read_images(path: Path, spec: InputSpec, *, most: int = MAX_IMAGES) -> NDArray[np.uint8]:
    """Read images of a folder (or one image, or a video) as the network will see them.

    Returns:
        (M, H, W, 3) uint8 BGR, 1 <= M <= `most`: evenly spread where the source knows how many it has, else
        the first ones.

    Raises:
        SourceError: if there is none that can be read.
    """
    from edgeseg.runtime.preprocess import Preprocessor
    from edgeseg.runtime.reader import no_frames
    from edgeseg.runtime.sources import open_source

    prepare = Preprocessor(spec)
    with open_source(path) as source:
        step = max(1, (source.frame_count or 0) // most)
        images = [prepare(frame.image).image.copy() for frame in islice(source, 0, most * step, step)]
        if not images:
            raise no_frames(source)
    return np.concatenate(images)

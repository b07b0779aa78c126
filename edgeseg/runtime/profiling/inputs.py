"""Turn the first frames of a source into what an engine takes, for the profile of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.preprocess import Preprocessor
from edgeseg.runtime.profiling.recording import StageRecord
from edgeseg.runtime.profiling.scenarios import decode
from edgeseg.runtime.sources.base import Source
from edgeseg.spec import InputSpec

BATCHES = 4  # of different frames, as far as there are any


def batches_of(source: Source, taken: InputSpec) -> Sequence[NDArray[Any]]:
    """Give BATCHES batches (N, H, W, C), of frames that come again where there are too few.

    Raises:
        SourceError: if the source gives no frame.
    """
    frames = decode(source, StageRecord(), most=BATCHES * taken.batch)
    prepare = Preprocessor(taken)
    images = [prepare(frame.image).image.copy() for frame in frames]  # (1, H, W, C)
    chosen = (np.arange(BATCHES * taken.batch) % len(images)).reshape(BATCHES, taken.batch)
    return [np.concatenate([images[index] for index in batch]) for batch in chosen]

from __future__ import annotations

import dataclasses

import numpy as np

from edgeseg.runtime.profiling.inputs import BATCHES, batches_of

from ..fakes import SEMANTIC, GreyFrames


def test_batches_hold_frames_in_turn_as_the_engine_takes_them() -> None:
    taken = dataclasses.replace(SEMANTIC.input, batch=2)
    batches = batches_of(GreyFrames([10, 20, 30]), taken)
    assert len(batches) == BATCHES
    assert {batch.shape for batch in batches} == {(2, 8, 8, 3)}
    assert {batch.dtype for batch in batches} == {np.dtype(np.uint8)}
    assert [int(image[0, 0, 0]) for batch in batches[:2] for image in batch] == [10, 20, 30, 10]

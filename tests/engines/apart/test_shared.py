"""Arrays in memory that two processes see: as they were, wherever they lie, and however they grow."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from edgeseg.engines.apart.shared import ALIGNMENT, SharedArrays


@pytest.fixture
def memory() -> Iterator[SharedArrays]:
    memory = SharedArrays.create()
    if memory is None:
        pytest.skip("this system has no memory without a name")
    yield memory
    memory.close()


@pytest.fixture
def other_side(memory: SharedArrays) -> Iterator[SharedArrays]:
    """See the same memory, as a child does that inherits the descriptor."""
    other = SharedArrays(os.dup(memory.descriptor))
    yield other
    other.close()


def test_the_other_side_sees_each_array(memory: SharedArrays, other_side: SharedArrays) -> None:
    arrays = [np.arange(7, dtype=np.uint8), np.eye(3, dtype=np.float32)[::-1], np.zeros((0, 4), np.float32)]
    places = memory.put(arrays)
    assert [place.offset for place in places] == [0, ALIGNMENT, 2 * ALIGNMENT]
    for array, place in zip(arrays, places, strict=True):
        np.testing.assert_array_equal(other_side.view(place), array)
        assert other_side.view(place).dtype == array.dtype


def test_memory_grows_with_what_is_put_there(memory: SharedArrays, other_side: SharedArrays) -> None:
    (small,) = memory.put([np.ones(10, np.uint8)])
    assert other_side.view(small).sum() == 10
    (large,) = other_side.put([np.ones(1_000_000, np.uint8)])
    assert memory.view(large).sum() == 1_000_000
    (small,) = memory.put([np.full(10, 2, np.uint8)])
    assert other_side.view(small).sum() == 20

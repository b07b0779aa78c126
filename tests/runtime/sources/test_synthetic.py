from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.sources import open_source


def test_size_seed_and_number_of_frames() -> None:
    with open_source("synthetic:96x64?seed=3&frames=2") as source:
        frames = list(source)
        assert (source.frame_count, source.fps, source.live) == (2, 30.0, False)
        assert source.name == "synthetic:96x64?seed=3&frames=2"
    assert [frame.image.shape for frame in frames] == [(64, 96, 3)] * 2
    assert [frame.index for frame in frames] == [0, 1]
    again = list(open_source("synthetic:96x64?seed=3&frames=2"))
    other = list(open_source("synthetic:96x64?seed=4&frames=2"))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, again, strict=True))
    assert not np.array_equal(frames[0].image, other[0].image)


def test_without_a_number_it_is_endless() -> None:
    source = open_source("synthetic:64x64")
    assert (source.frame_count, source.name) == (None, "synthetic:64x64")
    assert len(list(islice(source, 5))) == 5


@pytest.mark.parametrize(
    "text",
    ["synthetic:1x1", "synthetic:64", "synthetic:64x64x3", "synthetic:?seed=a", "synthetic:?frames=-1"],
)
def test_other_forms_are_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"WIDTHxHEIGHT|width and height"):
        open_source(text)

"""Pictures for proofs are the same bytes for ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from edgeseg.scenes.pictures import picture, pictures

# of picture(seed, (48, 64)); models in the field hold golden outputs of these very bytes
DIGESTS = {0: "66e491f49d5c75cd", 1: "880880f8d5f30fb8"}


@pytest.mark.parametrize("seed", DIGESTS)
def test_pictures_never_change(seed: int) -> None:
    digest = hashlib.sha256(picture(seed, (48, 64)).tobytes()).hexdigest()
    assert digest.startswith(DIGESTS[seed])


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 300), (37, 5)])
def test_any_size_is_painted(size_hw: tuple[int, int]) -> None:
    image = picture(3, size_hw)
    assert image.shape == (*size_hw, 3)
    assert image.dtype == np.uint8


def test_pictures_have_contrast_and_differ() -> None:
    first, second = pictures(range(2), (120, 160))
    assert first.std() > 30
    assert (first != second).mean() > 0.9

"""Pictures for proofs are the same bytes for ever; folders of real ones are read as they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.export.gate_images import MOST_IMAGES, gate_images
from edgeseg.export.pictures import picture, pictures

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


def test_gate_images_come_from_a_folder_in_the_networks_size(tmp_path: Path) -> None:
    for index in range(MOST_IMAGES + 3):
        cv2.imwrite(str(tmp_path / f"{index:02d}.png"), np.full((9, 7, 3), index, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    images = gate_images(tmp_path, (16, 24))
    assert images.shape[1:] == (16, 24, 3)
    assert 3 <= len(images) <= MOST_IMAGES
    assert [int(image[0, 0, 0]) for image in images] == list(range(0, 2 * len(images), 2))


def test_gate_images_are_generated_without_a_folder() -> None:
    images = gate_images(None, (64, 96))
    assert images.shape == (2, 64, 96, 3)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no readable pictures"):
        gate_images(tmp_path, (16, 16))

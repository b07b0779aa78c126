"""Images are chosen evenly, known again by what they hold, and prepared as the runtime does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.tune.images import DISTINCT_FRAMES, TuningImages, content_of
from tests.runtime.specs import SIZE_HW, labels_spec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((20, 30, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_a_few_are_spread_over_the_folder(folder: Path) -> None:
    images = TuningImages.of(folder, labels_spec(), most=4)
    assert [path.stem for path in images.paths] == ["0", "3", "6", "9"]
    assert images.notes == ["4 of 12 images are taken, spread evenly (--most-images)"]
    assert TuningImages.of(folder, labels_spec()).notes == []


def test_frames_are_as_they_are_and_prepared_ones_of_the_networks_size(folder: Path) -> None:
    images = TuningImages.of(folder, labels_spec())
    frames = images.frames(labels_spec())
    assert [int(frame[0, 0, 0]) for frame in frames] == list(range(DISTINCT_FRAMES))
    assert frames[0].shape == (20, 30, 3)
    prepared = images.prepared(labels_spec())
    assert prepared.shape == (12, *SIZE_HW, 3)
    assert prepared[:, 0, 0, 0].tolist() == list(range(12))


def test_other_contents_are_other_images(folder: Path) -> None:
    paths = sorted(folder.glob("*.png"))
    before = content_of(paths)
    assert content_of(paths) == before
    cv2.imwrite(str(paths[0]), np.full((20, 30, 3), 99, np.uint8))
    assert content_of(paths) != before


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no images"):
        TuningImages.of(tmp_path, labels_spec())
    with pytest.raises(UsageError, match="is not a folder; give --images"):
        TuningImages.of(tmp_path / "nowhere", labels_spec())

"""What a reference finds is the truth: an engine that finds the same has all points, another has fewer."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.tune.accuracy import Judge
from edgeseg.tune.agreement import AgreementImages
from edgeseg.tune.images import TuningImages
from tests.runtime.tiny_models import instance_engine, labels_engine

BOX, OTHER = (8.0, 4.0, 40.0, 28.0), (10.0, 4.0, 24.0, 28.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three frames, the left half bright."""
    (tmp_path / "images").mkdir()
    for number in range(3):
        image = np.zeros((32, 64, 3), np.uint8)
        image[:, : 32 - 8 * number] = 255
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
    return tmp_path / "images"


def segmenter(engine: Path) -> Segmenter:
    return Segmenter(Engine.open(engine))


def test_labels_of_the_reference_are_true(tmp_path: Path, folder: Path) -> None:
    reference = segmenter(labels_engine(tmp_path / "a"))
    judge = Judge.by_reference(reference, TuningImages.of(folder, reference.spec))
    assert judge.points(reference, lambda: None) == 100
    assert judge.title == "mIoU against the fp32 model"
    found = [one.truth for one in judge.data]
    assert [int(np.sum(truth)) for truth in found] == [32 * 32, 24 * 32, 16 * 32]


def test_objects_of_the_reference_are_true(tmp_path: Path, folder: Path) -> None:
    reference = segmenter(instance_engine(tmp_path / "a", [BOX], [0.9]))
    other = segmenter(instance_engine(tmp_path / "b", [OTHER], [0.9]))
    judge = Judge.by_reference(reference, TuningImages.of(folder, reference.spec))
    assert judge.points(reference, lambda: None) == pytest.approx(100)
    assert judge.points(other, lambda: None) < 50
    assert judge.title == "mask AP against the fp32 model"


def test_images_in_which_nothing_is_found_are_refused(tmp_path: Path, folder: Path) -> None:
    reference = segmenter(instance_engine(tmp_path / "a", [BOX], [0.0]))
    judge = Judge.by_reference(reference, TuningImages.of(folder, reference.spec))
    with pytest.raises(UsageError, match="no object"):
        judge.points(reference, lambda: None)


def test_the_reference_sees_each_image_once(tmp_path: Path, folder: Path) -> None:
    reference = segmenter(labels_engine(tmp_path / "a"))
    images = AgreementImages(reference, sorted(folder.iterdir()))
    first = [one.truth for one in images]
    reference.engine.close()
    assert all(np.array_equal(a.truth, b) for a, b in zip(images, first, strict=True))
    assert len(images) == 3

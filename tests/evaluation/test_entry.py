"""What an evaluation says is what can be worked out by hand of images that a fake engine sees."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.evaluation import Evaluation, LabelledImages, evaluate
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.spec import ModelSpec, Thresholds
from tests.runtime.specs import instances_spec, labels_spec

SIZE_HW = (32, 48)


def write(folder: Path, name: str, image: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), image)


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    """Images whose right half is bright; of the second a fourth is true, the third is not counted."""
    for i, (left, right) in enumerate(((0, 1), (0, 1), (255, 255))):
        image = np.zeros((*SIZE_HW, 3), np.uint8)
        image[:, 24:] = 200
        truth = np.full(SIZE_HW, left, np.uint8)
        truth[:, 24 + 12 * (i == 1) :] = right
        write(tmp_path / "images", f"{i}.png", image)
        write(tmp_path / "labels", f"{i}.png", truth)
    return tmp_path / "images", tmp_path / "labels"


def segmenter(spec: ModelSpec, compute: Any = None) -> Segmenter:
    return Segmenter(FakeBackend(spec, compute).engine())


def of_halves(halves: tuple[Path, Path], **options: Any) -> Evaluation:
    spec = labels_spec()
    return evaluate(segmenter(spec), LabelledImages(spec, *halves), **options)


def test_figures_by_hand(halves: tuple[Path, Path]) -> None:
    advanced: list[None] = []
    found = of_halves(halves, on_image=lambda: advanced.append(None))
    half = 32 * 24
    # dark: 1.5 halves are found of 2.5, all true; bright: 1.5 true, 2 found
    assert found.confusion.tolist() == [[2 * half, half // 2, 0], [0, half + half // 2, 0]]
    assert [one.value for one in found.class_figures["iou"]] == pytest.approx([2 / 2.5, 1.5 / 2])
    assert found.figures["miou"].value == pytest.approx((0.8 + 0.75) / 2)
    assert found.figures["pixel_accuracy"].value == pytest.approx(3.5 / 4)
    low, high = found.figures["miou"].interval
    assert low == pytest.approx((2 / 3 + 1 / 2) / 2)  # the second image alone
    assert high == 1.0
    assert found.true_counts.tolist() == [2.5 * half, 1.5 * half]
    assert [one.name for one in found.images] == ["0.png", "1.png", "2.png"]
    assert [one.score for one in found.images] == pytest.approx(
        [1.0, (2 / 3 + 1 / 2) / 2, np.nan], nan_ok=True
    )
    assert len(advanced) == 3
    assert found.notes == ["intervals of 3 images are too narrow; take 20 or more"]
    assert found.disagreement is None


def test_boundaries_are_within_the_pixels_that_are_asked_for(halves: tuple[Path, Path]) -> None:
    near = of_halves(halves, boundary_px=12.0).figures["mean_boundary_f"].value
    assert near == 1.0
    assert of_halves(halves).figures["mean_boundary_f"].value == pytest.approx(0.5)


def test_against_another_both_are_measured_on_the_same_images(halves: tuple[Path, Path]) -> None:
    """The other labels everything dark."""
    spec = labels_spec()
    dark = segmenter(spec, lambda images: {"labels": np.zeros((1, *SIZE_HW), np.uint8)})
    found = of_halves(halves, against=dark, worst=2)
    difference = found.figures["miou"].difference
    assert difference is not None
    assert difference.other == pytest.approx((2.5 / 4) / 2)
    assert difference.value == pytest.approx(0.775 - 0.3125)
    assert difference.interval[0] > 0
    assert found.disagreement is not None
    half = 32 * 24
    assert found.disagreement.to_json_value() == {
        "pixels_different": 3 * half, "pixels": 6 * half, "images_different": 3,
    }  # fmt: skip
    assert [one.other for one in found.images][:2] == pytest.approx([1 / 4, 3 / 8])
    assert [one.name for one in found.worst] == ["1.png", "0.png"], "what lost most beside the other"


def test_the_worst_images_are_those_of_the_least_score(halves: tuple[Path, Path]) -> None:
    (worst,) = of_halves(halves, worst=1).worst
    assert (worst.name, worst.picture is not None) == ("1.png", True)


def test_objects_of_one_kind_are_measured_by_instance_maps(tmp_path: Path) -> None:
    spec = dataclasses.replace(instances_spec(1, mask_size=28), thresholds=Thresholds(0.05))
    for i, box in enumerate([np.s_[8:24, 10:30], np.s_[8:24, 10:20]]):
        image, truth = np.zeros((*SIZE_HW, 3), np.uint8), np.zeros(SIZE_HW, np.uint16)
        image[8:24, 10:30] = 255
        truth[box] = 700
        write(tmp_path / "images", f"{i}.png", image)
        write(tmp_path / "labels", f"{i}.png", truth)
    data = LabelledImages(spec, tmp_path / "images", tmp_path / "labels")
    none = {"boxes": (1, 1, 4), "scores": (1, 1), "masks": (1, 1, 28, 28)}
    nothing = {name: np.zeros(shape, np.float32) for name, shape in none.items()}
    blind = segmenter(spec, lambda images: nothing | {"class_ids": np.ones((1, 1), np.int64)})
    found = evaluate(segmenter(spec), data, against=blind)
    # the first is found exactly, the second's box is twice too large: IoU 0.5, at the first threshold alone
    assert found.figures["mask_ap50"].value == pytest.approx(1)
    assert found.figures["box_ap75"].value == pytest.approx(51 / 101)
    assert found.figures["f1"].value == 1.0
    assert found.confusion.tolist() == [[0, 0], [0, 2]]
    difference = found.figures["f1"].difference
    assert difference is not None
    assert (difference.other, difference.value) == (0.0, 1.0)
    assert found.disagreement is not None
    assert found.disagreement.to_json_value()["objects_alone"] == 2


def test_networks_of_other_classes_are_not_compared(halves: tuple[Path, Path]) -> None:
    other = dataclasses.replace(labels_spec(), class_names=("dark", "light"))
    with pytest.raises(UsageError, match="differ in their classes, dark, bright and dark, light"):
        of_halves(halves, against=segmenter(other))
    with pytest.raises(UsageError, match="differ in their task"):
        of_halves(halves, against=segmenter(instances_spec(1)))


def test_labels_that_show_nothing_are_refused(halves: tuple[Path, Path]) -> None:
    for path in halves[1].iterdir():
        cv2.imwrite(str(path), np.full(SIZE_HW, 255, np.uint8))
    with pytest.raises(UsageError, match="the labels of 3 images hold no pixel that is counted"):
        of_halves(halves)


def test_a_high_threshold_of_scores_is_said(tmp_path: Path) -> None:
    write(tmp_path / "images", "0.png", np.full((*SIZE_HW, 3), 255, np.uint8))
    write(tmp_path / "labels", "0.png", np.ones(SIZE_HW, np.uint8))
    spec = instances_spec(1)
    data = LabelledImages(spec, tmp_path / "images", tmp_path / "labels")
    notes = evaluate(segmenter(spec), data).notes
    assert any("keeps what scores 0.5 or more, AP is of that" in note for note in notes)


def test_what_is_written_is_whole_and_replaces_evaluations_alone(
    halves: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    of_halves(halves, worst=2).write(folder)
    found = of_halves(halves, worst=1)
    found.write(folder)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    assert files == ["confusion.png", "report.json", "worst/01-1.png"]
    report = json.loads((folder / "report.json").read_text())
    assert report == json.loads(json.dumps(found.to_json_value(), allow_nan=False))
    assert report["classes"][1]["iou"]["value"] == pytest.approx(0.75)
    assert report["confusion"]["found"] == ["dark", "bright", "(no class)"]
    assert report["each_image"][2] == {"image": "2.png", "score": None}
    assert report["worst"] == [{"image": "1.png", "worth": pytest.approx(7 / 12)}]
    assert cv2.imread(str(folder / "worst" / "01-1.png")) is not None
    (folder / "mine.txt").touch()
    with pytest.raises(UsageError, match="holds something else than an evaluation"):
        found.write(folder)
    assert (folder / "mine.txt").exists()

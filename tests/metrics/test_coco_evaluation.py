"""COCO's figures are pycocotools' own, and those of draws are what it says of images that repeat."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edgeseg.metrics.coco_evaluation import AXES, CocoEvaluation

SIZE_HW = (64, 64)
Objects = list[list[dict[str, Any]]]


def _object(box: tuple[int, int, int, int], class_id: int, **more: Any) -> dict[str, Any]:
    left, top, width, height = box
    mask = np.zeros(SIZE_HW, np.uint8, order="F")
    mask[top : top + height, left : left + width] = 1
    encoded = rle.encode(mask)
    area = float(width * height)
    return {
        "category_id": class_id,
        "bbox": list(map(float, box)),
        "segmentation": encoded,
        "area": area,
        **more,
    }


def _scenes(seed: int, images: int = 6) -> tuple[Objects, Objects]:
    """Random boxes of two classes, and boxes near them, some of another class, some missing."""
    rng = np.random.default_rng(seed)
    truth: Objects = []
    found: Objects = []
    for _ in range(images):
        of_truth, of_found = [], []
        for _ in range(rng.integers(0, 5)):
            box = tuple(int(v) for v in (*rng.integers(0, 20, 2), *rng.integers(8, 40, 2)))
            class_id = int(rng.integers(1, 3))
            of_truth.append(_object(box, class_id, iscrowd=int(rng.random() < 0.15)))  # type: ignore[arg-type]
            if rng.random() < 0.8:
                moved = tuple(int(v) for v in np.array(box) + rng.integers(0, 4, 4))
                guess = class_id if rng.random() < 0.8 else 3 - class_id
                of_found.append(_object(moved, guess, score=float(rng.random())))  # type: ignore[arg-type]
        truth.append(of_truth)
        found.append(of_found)
    return found, truth


def _by_pycocotools(found: Objects, truth: Objects, kind: str) -> tuple[Any, Any]:
    """Call COCOeval as its own demonstration does; give its twelve figures and its precisions."""
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        flat = [{**one, "image_id": i} for i, image in enumerate(truth) for one in image]
        dataset.dataset = {
            "info": {},
            "images": [{"id": i, "height": SIZE_HW[0], "width": SIZE_HW[1]} for i in range(len(truth))],
            "annotations": [{**one, "id": number} for number, one in enumerate(flat, 1)],
            "categories": [{"id": 1}, {"id": 2}],
        }
        dataset.createIndex()
        key = "bbox" if kind == "box" else "segmentation"
        results = [
            {"image_id": i, "category_id": one["category_id"], "score": one["score"], key: one[key]}
            for i, image in enumerate(found)
            for one in image
        ]
        evaluation = COCOeval(dataset, dataset.loadRes(results), "bbox" if kind == "box" else "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats, evaluation.eval["precision"]


@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("seed", range(3))
def test_figures_are_pycocotools_own(seed: int, kind: Any) -> None:
    found, truth = _scenes(seed)
    stats, _ = _by_pycocotools(found, truth, kind)
    figures = CocoEvaluation(found, truth, [SIZE_HW] * len(truth), kind).figures()
    expected = [np.nan if value < 0 else value for value in stats[:6]]
    assert [figures[name] for name in AXES] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_draws_are_what_pycocotools_says_of_images_that_repeat(kind: Any) -> None:
    found, truth = _scenes(11)
    evaluation = CocoEvaluation(found, truth, [SIZE_HW] * len(truth), kind)
    weights = np.array([[1] * 6, [0, 2, 1, 0, 3, 0], [2, 0, 0, 2, 1, 1]])
    drawn, of_classes = evaluation.drawn(weights)
    for row, times in enumerate(weights):
        repeated = [i for i, count in enumerate(times) for _ in range(count)]
        stats, precision = _by_pycocotools([found[i] for i in repeated], [truth[i] for i in repeated], kind)
        assert [drawn[name][row] for name in AXES[:3]] == pytest.approx(list(stats[:3]))
        each = precision[:, :, :, 0, -1].mean(axis=(0, 1))
        assert of_classes[row] == pytest.approx(np.where(each < 0, np.nan, each), nan_ok=True)
    assert of_classes[0] == pytest.approx(evaluation.class_ap())


def test_nothing_found_is_zero_and_a_size_without_objects_is_not_defined() -> None:
    truth = [[_object((2, 2, 10, 10), 1, iscrowd=0)], []]
    evaluation = CocoEvaluation([[], []], truth, [SIZE_HW] * 2, "mask")
    figures = evaluation.figures()
    assert (figures["ap"], figures["ap_small"]) == (0.0, 0.0)
    assert np.isnan(figures["ap_large"])
    drawn, _ = evaluation.drawn(np.array([[1, 1], [0, 2]]))
    assert drawn["ap"] == pytest.approx([0.0, np.nan], nan_ok=True)

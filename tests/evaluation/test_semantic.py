"""Figures of label maps, worked by hand, and those of draws."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.evaluation.semantic import SemanticSheet
from edgeseg.metrics.scores import ScoreSheet
from edgeseg.scenes.scene import generate

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)
FOUND = np.array([[0, 0, 1, 0], [0, 1, 1, 1]], np.uint8)


def test_figures_by_hand() -> None:
    sheet = SemanticSheet(3)
    # class 0: 3 right of 4 true and 4 found: 3/5; class 1: 2 right of 3 true and 3 found: 2/4
    assert sheet.add(TRUTH, FOUND) == pytest.approx((3 / 5 + 2 / 4) / 2)
    figures = sheet.figures()
    assert figures.classes["iou"] == pytest.approx([3 / 5, 2 / 4, np.nan], nan_ok=True)
    assert figures.overall["miou"] == pytest.approx(0.55)
    assert figures.overall["pixel_accuracy"] == pytest.approx(5 / 7)
    assert sheet.confusion.tolist() == [[3, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0]]
    assert sheet.true_counts.tolist() == [4, 3, 0]


def test_an_image_without_counted_pixels_has_no_score() -> None:
    sheet = SemanticSheet(2)
    assert np.isnan(sheet.add(np.full((2, 2), 255, np.uint8), np.zeros((2, 2), np.uint8)))
    assert np.isnan(sheet.figures().overall["miou"])


def test_draws_are_the_figures_of_images_that_repeat() -> None:
    rng = np.random.default_rng(4)
    pairs = []
    for seed in range(4):
        truth = generate(seed, (60, 80)).labels
        found = np.where(rng.random(truth.shape) < 0.1, rng.integers(0, 7, truth.shape), truth)
        pairs.append((truth, found.astype(np.uint8)))
    sheet = SemanticSheet(6)
    for pair in pairs:
        sheet.add(*pair)
    weights = np.array([[1, 1, 1, 1], [0, 3, 1, 0]])
    drawn = sheet.drawn(weights)
    for row, times in enumerate(weights):
        other = ScoreSheet(6)
        for pair, count in zip(pairs, times, strict=True):
            for _ in range(count):
                other.add(*pair)
        scores = other.scores()
        assert drawn.overall["miou"][row] == pytest.approx(scores.miou)
        assert drawn.overall["mean_boundary_f"][row] == pytest.approx(scores.boundary_f)
    assert drawn.classes["iou"].shape == drawn.classes["boundary_f"].shape == (2, 6)

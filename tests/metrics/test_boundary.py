"""Boundary F of each class, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.metrics.boundary import boundary_counts, class_boundary_f, mean_boundary_f

TRUTH = np.zeros((6, 20), np.uint8)
TRUTH[:, 10:] = 1
FOUND = np.zeros((6, 20), np.uint8)
FOUND[:3, 10:] = 1  # the upper half is right, below the edge lies five pixels off
FOUND[3:, 15:] = 1


def test_half_of_an_edge_that_is_right_is_a_half() -> None:
    counts = boundary_counts(TRUTH, FOUND, 3, tolerance_px=0.5)
    # class 1: true edge 6 pixels in column 10, 3 of them found; the found one has 3 + 4 steps + 3 pixels:
    # columns 10 to 14 of row 2 lie above the step, column 10 of rows 0 to 2 beside it
    assert counts[1, 1].tolist() == [3, 6]
    near, length = counts[1, 0]
    assert near == 3
    f_score = class_boundary_f(counts, np.array([60, 60, 0]))
    precision, recall = 3 / length, 3 / 6
    assert f_score[1] == pytest.approx(2 * precision * recall / (precision + recall))
    assert np.isnan(f_score[2]), "the truth does not show it"
    assert mean_boundary_f(counts, np.array([60, 60, 0])) == pytest.approx(f_score[:2].mean())


def test_a_tolerance_reaches_as_far_as_it_says() -> None:
    assert boundary_counts(TRUTH, FOUND, 2, tolerance_px=5)[1, 1].tolist() == [6, 6]


def test_counts_of_several_draws_are_scored_at_once() -> None:
    counts = boundary_counts(TRUTH, FOUND, 2)
    both = class_boundary_f(np.stack([counts, 3 * counts]), np.array([[60, 60], [180, 180]]))
    assert both[0] == pytest.approx(class_boundary_f(counts, np.array([60, 60])))
    assert both[0] == pytest.approx(both[1])

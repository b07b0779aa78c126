"""Flicker counts labels that change where the truth does not."""

from __future__ import annotations

import numpy as np

from edgeseg.metrics.flicker import flicker, flicker_counts


def test_three_of_the_pixels_that_stay_and_one_changes() -> None:
    truth = (np.array([[0, 0, 1, 1, 255]], np.uint8), np.array([[0, 0, 1, 0, 255]], np.uint8))
    labels = (np.array([[0, 1, 1, 1, 0]], np.uint8), np.array([[0, 0, 1, 0, 1]], np.uint8))
    counts = flicker_counts(truth, labels)
    assert counts.tolist() == [1, 3]
    assert flicker(counts) == 1 / 3
    assert flicker(counts + counts + [2, 0]) == 4 / 6


def test_labels_that_are_wrong_but_steady_do_not_flicker() -> None:
    truth, wrong = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    assert flicker(flicker_counts((truth, truth), (wrong, wrong))) == 0


def test_nothing_that_stays_is_no_flicker() -> None:
    truth = (np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8))
    assert flicker(flicker_counts(truth, truth)) == 0

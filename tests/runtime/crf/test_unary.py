"""Labels with a confidence, and probabilities, become the logits that a CRF starts from."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import ShapeError, UsageError
from edgeseg.runtime.crf import logits_from_probabilities, unary_from_labels


def test_unary_from_labels_by_hand():
    labels = np.array([[0, 2, 255]], np.uint8)
    unary = unary_from_labels(labels, 3, confidence=0.8)
    assert np.exp(unary[:, 0, 0]) == pytest.approx([0.8, 0.1, 0.1])
    assert np.exp(unary[:, 0, 1]) == pytest.approx([0.1, 0.1, 0.8])
    assert np.exp(unary[:, 0, 2]) == pytest.approx([1 / 3] * 3)


def test_unary_from_labels_takes_a_confidence_for_each_pixel():
    unary = unary_from_labels(np.zeros((1, 2), np.uint8), 2, confidence=np.array([[0.6, 0.9]]))
    assert np.exp(unary[0, 0]) == pytest.approx([0.6, 0.9])


@pytest.mark.parametrize(
    ("labels", "count", "confidence", "error"),
    [
        (np.zeros((2, 2), int), 2, 0.7, ShapeError),
        (np.full((2, 2), 2, np.uint8), 2, 0.7, ShapeError),
        (np.zeros((2, 2), np.uint8), 2, 1.0, UsageError),
    ],
)
def test_unary_from_labels_refuses(labels, count, confidence, error):
    with pytest.raises(error):
        unary_from_labels(labels, count, confidence=confidence)


def test_probabilities_become_logits():
    logits = logits_from_probabilities(np.array([[[0.25, 0.0]], [[0.75, 1.0]]]))
    assert np.exp(logits) == pytest.approx(np.array([[[0.25, 1e-6]], [[0.75, 1.0]]]))
    with pytest.raises(ShapeError, match="must be 0 to 1"):
        logits_from_probabilities(np.full((2, 1, 1), 1.5))

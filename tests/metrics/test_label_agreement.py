"""Agreement of labels and logits, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.metrics.label_agreement import LabelErrors


def test_logit_errors_are_relative_to_the_largest_logit() -> None:
    result = LabelErrors(2)
    reference = np.array([[[4.0, 0.0]], [[-8.0, 0.0]]], np.float32)
    candidate = np.array([[[4.0, 0.0]], [[-8.0, 0.8]]], np.float32)
    result.add_logits(reference, candidate)
    assert result.relative_logit_errors == [(pytest.approx(0.1), pytest.approx(0.025))]


def test_logits_that_are_not_finite_are_infinitely_wrong() -> None:
    result = LabelErrors(1)
    result.add_logits(np.ones((1, 1, 2), np.float32), np.array([[[1.0, np.nan]]], np.float32))
    assert result.relative_logit_errors[0][0] == np.inf


def test_label_agreement_and_class_overlap_by_hand() -> None:
    result = LabelErrors(3)
    reference = np.array([0] * 200 + [1] * 100 + [2] * 10, np.uint8)
    candidate = np.array([0] * 200 + [1] * 90 + [0] * 10 + [255] * 10, np.uint8)
    result.add_labels(reference, candidate)
    assert result.label_agreement == pytest.approx(290 / 310)
    # class 2 has too few pixels to count; 200 of 210, and 90 of 100
    assert result.class_overlap == pytest.approx((200 / 210 + 90 / 100) / 2)


def test_rare_classes_count_where_all_are_rare() -> None:
    result = LabelErrors(3)
    result.add_labels(np.array([0] * 6 + [1] * 4, np.uint8), np.array([0] * 6 + [1] * 3 + [0], np.uint8))
    assert result.class_overlap == pytest.approx(6 / 7)  # class 0 alone has as many as the largest
    assert result.label_agreement == pytest.approx(0.9)


def test_pixels_without_a_class_agree_with_each_other_alone() -> None:
    result = LabelErrors(2)
    result.add_labels(np.array([255, 255, 0, 0], np.uint8), np.array([255, 1, 0, 255], np.uint8))
    assert result.label_agreement == pytest.approx(2 / 4)
    nothing = LabelErrors(2)
    nothing.add_labels(np.array([255, 255], np.uint8), np.array([255, 1], np.uint8))
    assert (nothing.label_agreement, nothing.class_overlap) == (0.5, 1.0)

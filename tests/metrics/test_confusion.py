"""mIoU is the one of PASCAL VOC and Cityscapes, whatever the maps hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeseg.errors import ShapeError, UsageError
from edgeseg.metrics.confusion import class_iou, confusion_matrix, mean_iou
from edgeseg.scenes.scene import generate

TRUTH = np.array([[0, 0, 1], [0, 2, 1]], np.uint8)
FOUND = np.array([[0, 1, 1], [0, 1, 1]], np.uint8)


def miou_of(truth: np.ndarray, labels: np.ndarray, num_classes: int = 3) -> float:
    return mean_iou(confusion_matrix(truth, labels, num_classes))


def test_confusion_counts_truth_in_rows() -> None:
    assert confusion_matrix(TRUTH, FOUND, 3).tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0]]


def test_iou_by_hand() -> None:
    # background 2 of 3 pixels; class 1: 2 hits, 4 predicted, so 2/4; class 2 was never found
    assert class_iou(confusion_matrix(TRUTH, FOUND, 3)) == pytest.approx([2 / 3, 1 / 2, 0])
    assert miou_of(TRUTH, FOUND) == pytest.approx((2 / 3 + 1 / 2) / 3)


def test_a_class_that_is_never_true_does_not_count() -> None:
    iou = class_iou(confusion_matrix(TRUTH, FOUND, 5))
    assert np.isnan(iou[3:]).all()
    assert miou_of(TRUTH, FOUND, 5) == miou_of(TRUTH, FOUND, 3)


def test_a_class_that_is_only_predicted_costs_its_pixels_true_classes() -> None:
    labels = TRUTH.copy()
    labels[0, 0] = 3
    # class 0: 2 of 3; classes 1 and 2 are right; class 3 has no IoU of its own
    assert miou_of(TRUTH, labels, 4) == pytest.approx((2 / 3 + 1 + 1) / 3)


def test_unknown_true_pixels_are_not_counted_and_predicting_no_class_is_wrong() -> None:
    truth = np.array([0, 0, 1, 1, 255, 255], np.uint8)
    labels = np.array([0, 255, 1, 1, 0, 255], np.uint8)
    assert miou_of(truth, labels, 2) == pytest.approx((1 / 2 + 1) / 2)
    labels[1] = 77  # no class either
    assert miou_of(truth, labels, 2) == pytest.approx((1 / 2 + 1) / 2)


def test_a_class_of_a_single_pixel_counts_like_any_other() -> None:
    truth = np.zeros((100, 100), np.uint8)
    truth[0, 0] = 1
    assert miou_of(truth, np.zeros_like(truth), 2) == pytest.approx((9999 / 10000 + 0) / 2)


def test_perfect_labels_score_one() -> None:
    labels = np.stack([generate(seed).labels for seed in range(3)])
    assert miou_of(labels, labels, 6) == 1.0


def test_images_are_pooled_before_the_ratio() -> None:
    empty, full = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    confusion = confusion_matrix(empty, full, 2) + confusion_matrix(full, full, 2)
    # class 1 over both images: 4 hits, 8 predicted; background: none found of 4
    assert mean_iou(confusion) == pytest.approx((0 + 4 / 8) / 2)
    assert miou_of(np.stack([empty, full]), np.stack([full, full]), 2) == mean_iou(confusion)


IDS = st.sampled_from([0, 1, 2, 3, 255])


@given(arrays(np.uint8, (6, 5), elements=IDS), arrays(np.uint8, (6, 5), elements=IDS))
def test_it_is_tp_by_tp_fp_fn_pixel_by_pixel(truth: np.ndarray, labels: np.ndarray) -> None:
    pixels = [(int(t), int(p)) for t, p in zip(truth.ravel(), labels.ravel(), strict=True) if t != 255]
    shares = []
    for c in {t for t, _ in pixels}:
        hit = sum(t == c and p == c for t, p in pixels)
        wrong = sum((t == c) != (p == c) for t, p in pixels)
        shares.append(hit / (hit + wrong))
    if shares:
        assert miou_of(truth, labels, 4) == pytest.approx(sum(shares) / len(shares))
    else:
        with pytest.raises(UsageError, match="not defined"):
            miou_of(truth, labels, 4)


def test_maps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="must have one shape"):
        confusion_matrix(TRUTH, FOUND[:1], 3)
    with pytest.raises(ShapeError, match="below 2 or 255, got 2"):
        confusion_matrix(TRUTH, FOUND, 2)

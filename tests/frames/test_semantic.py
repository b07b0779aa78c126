from __future__ import annotations

import numpy as np
import pytest

from edgeseg.frames.geometry import place
from edgeseg.frames.semantic import semantic_result
from edgeseg.frames.upsample import upsampled_planes
from edgeseg.spec import HeadSpec, InputSpec


def test_labels_are_repeated_to_frame_size() -> None:
    labels = np.array([[[1, 2], [3, 4]]], np.uint8)
    result = semantic_result({"labels": labels}, place((4, 4), InputSpec(2, 2)))
    assert result.labels.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert result.confidence is None


def test_labels_between_bars_come_back_without_the_bars() -> None:
    labels = np.zeros((1, 8, 8), np.uint8)
    labels[0, 2:6] = 5
    result = semantic_result({"labels": labels}, place((10, 20), InputSpec(8, 8, resize="letterbox")))
    assert (result.labels == 5).all()


def test_confidence_is_the_softmax_of_the_best_class_and_only_on_request() -> None:
    logits = np.random.default_rng(0).normal(0, 300, (1, 4, 5, 6)).astype(np.float32)  # exp(300) overflows
    placement = place((23, 31), InputSpec(40, 48))
    assert semantic_result({"logits": logits}, placement).confidence is None
    result = semantic_result({"logits": logits}, placement, confidence=True)
    values = np.stack(list(upsampled_planes(logits[0], placement))).astype(np.float64)
    expected = 1 / np.exp(values - values.max(axis=0)).sum(axis=0)
    assert result.confidence is not None
    assert result.confidence.dtype == np.float32
    np.testing.assert_allclose(result.confidence, expected, atol=1e-5)  # float32
    np.testing.assert_array_equal(result.labels, values.argmax(axis=0))


def test_equal_classes_share_the_confidence() -> None:
    result = semantic_result(
        {"logits": np.zeros((1, 4, 2, 2), np.float32)}, place((3, 3), InputSpec(4, 4)), confidence=True
    )
    assert result.confidence == pytest.approx(np.full((3, 3), 0.25))


def test_classes_that_overlap_have_masks_and_the_likeliest_label() -> None:
    log_odds = np.array([[[[3.0, 1.0, -1.0, -4.0]], [[2.0, 2.0, -2.0, 0.5]]]], np.float32)
    placement = place((1, 4), InputSpec(1, 4))
    result = semantic_result({"logits": log_odds}, placement, head=HeadSpec("multilabel"), confidence=True)
    assert result.masks is not None
    assert result.masks.tolist() == [[[True, True, False, False]], [[True, True, False, True]]]
    assert result.labels.tolist() == [[0, 1, 255, 1]]
    none = 1 - 1 / (1 + np.exp(1.0))  # that the likelier of two unlikely classes is absent, too
    assert result.confidence is not None
    assert result.confidence[0].tolist() == pytest.approx([0.95257, 0.88080, none, 0.62246], abs=1e-5)


def test_masks_are_cut_at_the_frames_pixels_not_at_the_grids() -> None:
    log_odds = np.random.default_rng(2).normal(0, 3, (1, 3, 4, 5)).astype(np.float32)
    placement = place((19, 27), InputSpec(40, 48))
    result = semantic_result({"logits": log_odds}, placement, head=HeadSpec("multilabel"))
    values = np.stack(list(upsampled_planes(log_odds[0], placement)))
    np.testing.assert_array_equal(result.masks, values > 0)
    expected = np.where(values.max(axis=0) > 0, values.argmax(axis=0), 255)
    np.testing.assert_array_equal(result.labels, expected)
    assert result.confidence is None


def test_a_threshold_that_is_not_even_leaves_the_probability_as_it_is() -> None:
    foreground = np.array([0.1, 0.25, 0.35, 0.8])  # above 0.3 a pixel is foreground
    log_odds = np.log(foreground / (1 - foreground)) - np.log(0.3 / 0.7)
    logits = np.stack([np.zeros(4), log_odds]).astype(np.float32).reshape(1, 2, 1, 4)
    placement = place((1, 4), InputSpec(1, 4))
    result = semantic_result({"logits": logits}, placement, head=HeadSpec("sigmoid", 0.3), confidence=True)
    assert result.labels.tolist() == [[0, 0, 1, 1]]
    assert result.confidence is not None
    assert result.confidence[0].tolist() == pytest.approx([0.9, 0.75, 0.35, 0.8], abs=1e-6)

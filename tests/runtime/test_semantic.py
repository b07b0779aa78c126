from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.geometry import place
from edgeseg.runtime.semantic import semantic_result
from edgeseg.runtime.upsample import upsampled_planes
from edgeseg.spec import InputSpec


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

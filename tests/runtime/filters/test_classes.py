"""Only the classes that were asked for are left."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.frames.results import InstanceResult, SemanticResult
from edgeseg.runtime.filters import ClassFilter
from edgeseg.runtime.frame import Frame
from tests.runtime.fakes import INSTANCE, SEMANTIC, two_animals
from tests.runtime.specs import instances_spec

FRAME = Frame(np.zeros((6, 8, 3), np.uint8), 0, 0.0)


def test_instances_of_other_classes_are_left_out() -> None:
    before = two_animals()
    after = ClassFilter(["dog"], INSTANCE)(FRAME, before)
    assert isinstance(after, InstanceResult)
    assert after.class_ids.tolist() == [2]
    assert after.scores.tolist() == [before.scores[1]]
    assert after.boxes.tolist() == [[2, 0, 8, 4]]
    assert np.array_equal(after.masks, before.masks[1:])
    assert len(before) == 2


def test_pixels_of_other_classes_have_none() -> None:
    labels = np.array([[0, 1, 255]], np.uint8)
    confidence = np.array([[0.5, 0.75, 0.25]], np.float32)
    after = ClassFilter(["bright"], SEMANTIC)(FRAME, SemanticResult(labels, confidence))
    assert isinstance(after, SemanticResult)
    assert after.labels.tolist() == [[255, 1, 255]]
    assert after.confidence is not None
    assert after.confidence.tolist() == [[0, 0.75, 0.25]]  # 255 stays what it was
    assert labels.tolist() == [[0, 1, 255]]


def test_of_classes_that_overlap_a_pixel_shows_one_that_is_kept() -> None:
    spec = instances_spec(3)  # for its four names
    masks = np.array([[[0, 0, 0]], [[1, 0, 1]], [[1, 0, 0]], [[1, 1, 1]]], np.bool_)
    labels = np.array([[3, 3, 1]], np.uint8)
    confidence = np.array([[0.9, 0.8, 0.7]], np.float32)
    after = ClassFilter(["thing 2", "thing 1"], spec)(FRAME, SemanticResult(labels, confidence, masks))
    assert isinstance(after, SemanticResult)
    assert after.masks is not None
    assert after.masks.tolist() == [[[0, 0, 0]], [[1, 0, 1]], [[1, 0, 0]], [[0, 0, 0]]]
    assert after.labels.tolist() == [[1, 255, 1]]
    assert after.confidence is not None
    np.testing.assert_allclose(after.confidence, [[0, 0, 0.7]])


def test_all_classes_change_nothing() -> None:
    labels = np.array([[0, 1, 255]], np.uint8)
    after = ClassFilter(SEMANTIC.class_names, SEMANTIC)(FRAME, SemanticResult(labels))
    assert isinstance(after, SemanticResult)
    assert np.array_equal(after.labels, labels)
    assert after.confidence is None
    assert after.masks is None


def test_a_class_that_is_not_there_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no class 'dogs'; did you mean 'dog'\\?"):
        ClassFilter(["cat", "dogs"], INSTANCE)
    with pytest.raises(UsageError, match="no class 'zebra'; it knows 'background', 'cat', 'dog'"):
        ClassFilter(["zebra"], INSTANCE)
    with pytest.raises(UsageError, match="no class is named"):
        ClassFilter([], INSTANCE)

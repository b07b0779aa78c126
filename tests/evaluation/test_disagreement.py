"""Pixels and objects in which two networks differ are counted."""

from __future__ import annotations

import numpy as np

from edgeseg.evaluation.disagreement import ObjectDisagreement, PixelDisagreement
from tests.evaluation.test_instances import A, B, C, result


def test_pixels_of_other_labels_are_counted() -> None:
    found = PixelDisagreement()
    labels = np.array([[0, 1, 2], [255, 1, 1]], np.uint8)
    found.add(labels, labels)
    found.add(labels, np.array([[0, 1, 1], [0, 1, 1]], np.uint8))
    assert found.to_json_value() == {"pixels_different": 2, "pixels": 12, "images_different": 1}
    assert str(found) == "2 of 12 pixels differ (16.667%), in 1 images"


def test_objects_that_one_network_finds_alone_are_counted() -> None:
    found = ObjectDisagreement()
    found.add(result((A, 1, 0.9), (B, 2, 0.9)), result((A, 1, 0.6), (B, 1, 0.9), (C, 1, 0.5)))
    found.add(result((A, 1, 0.9)), result(((0, 0, 10, 8), 1, 0.9)))
    assert found.to_json_value() == {
        "objects_in_common": 2,
        "objects_alone": 1,
        "objects_of_the_other_alone": 2,
        "images_different": 1,
    }
    assert "2 objects are found by both, 1 by this one alone, 2 by the other alone" in str(found)

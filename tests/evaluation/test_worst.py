"""The worst images are kept, and their pictures show what is true beside what was found."""

from __future__ import annotations

import cv2
import numpy as np

from edgeseg.evaluation.worst import CAPTION_PX, GAP_PX, WorstImages, picture_of, result_of
from edgeseg.frames.results import InstanceResult, SemanticResult
from edgeseg.runtime.overlay import draw
from tests.evaluation.test_instances import SIZE_HW, A, result, true_object
from tests.runtime.specs import instances_spec, labels_spec


def test_those_of_least_worth_are_kept_and_no_other_picture_is_made() -> None:
    drawn = []

    def picture(name: str) -> bytes:
        drawn.append(name)
        return name.encode()

    worst = WorstImages(2)
    for name, worth in (
        ("a", 0.5),
        ("b", 0.9),
        ("c", 0.1),
        ("d", 0.6),
        ("e", np.nan),
        ("f", 0.5),
        ("g", 0.2),
    ):
        worst.consider(name, worth, lambda name=name: picture(name))  # type: ignore[misc]
    assert [(one.name, one.worth, one.picture) for one in worst.images] == [
        ("c", 0.1, b"c"),
        ("g", 0.2, b"g"),
    ]
    assert drawn == ["a", "b", "c", "g"]


def test_a_picture_shows_each_result_under_its_name() -> None:
    spec = labels_spec()
    image = np.full((20, 30, 3), 90, np.uint8)
    truth = np.zeros((20, 30), np.uint8)
    truth[:, 15:] = 1
    found = SemanticResult(np.ones((20, 30), np.uint8))
    data = picture_of(image, {"truth": result_of(truth, (20, 30)), "engine": found}, spec)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (20 + CAPTION_PX, 2 * 30 + GAP_PX, 3)
    assert (picture[CAPTION_PX:, :30] == draw(image, SemanticResult(truth), spec)).all()
    assert (picture[CAPTION_PX:, 30 + GAP_PX :] == draw(image, found, spec)).all()
    assert picture[:CAPTION_PX].min() < 100, "names are written"


def test_true_objects_are_drawn_as_found_ones_are() -> None:
    true = result_of([true_object(A, 1)], SIZE_HW)
    assert isinstance(true, InstanceResult)
    image = np.full((*SIZE_HW, 3), 90, np.uint8)
    spec = instances_spec(1)
    assert (draw(image, true, spec) == draw(image, result((A, 1, 1.0)), spec)).all()
    assert len(result_of([], SIZE_HW).class_ids) == 0  # type: ignore[union-attr]

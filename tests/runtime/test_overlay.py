from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.errors import ShapeError
from edgeseg.frames.results import NO_TRACK, InstanceResult, MaskCrop, SemanticResult
from edgeseg.runtime.overlay import draw, tag

from .fakes import INSTANCE, SEMANTIC, two_animals


def test_inside_a_region_half_of_the_colour_shows_and_its_edge_is_the_colour() -> None:
    image = np.full((60, 60, 3), 100, np.uint8)
    labels = np.zeros((60, 60), np.uint8)
    labels[20:40, 20:40] = 1
    drawn = draw(image, SemanticResult(labels), SEMANTIC)
    assert drawn[30, 30].tolist() == [50, 100, 150]  # the mean of 100 and BGR (0, 100, 200)
    assert drawn[20, 30].tolist() == [0, 100, 200]
    assert drawn[50, 50].tolist() == [100, 100, 100]  # background


def test_the_frame_is_not_changed() -> None:
    image = np.full((48, 64, 3), 9, np.uint8)
    assert (draw(image, SemanticResult(np.ones((48, 64), np.uint8)), SEMANTIC) != 9).any()
    assert (image == 9).all()


def test_class_0_is_painted_where_it_is_no_background() -> None:
    image = np.full((60, 60, 3), 100, np.uint8)
    spec = dataclasses.replace(SEMANTIC, class_names=("road", "bright"), palette_rgb=())
    drawn = draw(image, SemanticResult(np.zeros((60, 60), np.uint8)), spec)
    red, green, blue = spec.palette_rgb[0]
    assert np.abs(drawn[50, 50] - np.array([100 + blue, 100 + green, 100 + red]) / 2).max() <= 1


def test_labels_without_a_class_stay_unpainted() -> None:
    image = np.full((48, 64, 3), 9, np.uint8)
    assert (draw(image, SemanticResult(np.full((48, 64), 255, np.uint8)), SEMANTIC) == 9).all()


def test_only_the_mask_and_the_box_of_an_instance_are_painted() -> None:
    image = np.full((100, 100, 3), 100, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    result = InstanceResult(
        boxes=np.array([[30, 40, 70, 80]], np.float32),
        scores=np.array([0.5], np.float32),
        class_ids=np.array([1]),
        frame_hw=(100, 100),
        _crops=(MaskCrop(30, 40, mask),),
    )
    drawn = draw(image, result, INSTANCE)
    red, green, blue = INSTANCE.palette_rgb[1]
    assert np.abs(drawn[60, 50] - np.array([100 + blue, 100 + green, 100 + red]) / 2).max() <= 1
    assert drawn[60, 30].tolist() == [blue, green, red]  # the box
    assert drawn[60, 35].tolist() == [100, 100, 100]  # in the box, outside the mask
    assert drawn[90, 90].tolist() == [100, 100, 100]


def test_a_tag_names_class_track_and_score() -> None:
    result = replace(two_animals(), track_ids=np.array([7, NO_TRACK]))
    assert [tag(result, index, INSTANCE) for index in (0, 1)] == ["cat 7 0.90", "dog 0.60"]
    assert tag(two_animals(), 0, INSTANCE) == "cat 0.90"


def test_a_result_of_another_frame_is_refused() -> None:
    with pytest.raises(ShapeError, match="the result is for"):
        draw(np.zeros((5, 5, 3), np.uint8), two_animals(), INSTANCE)


@settings(max_examples=40)
@given(st.data(), st.integers(1, 90), st.integers(1, 90))
def test_any_size_and_any_box_can_be_drawn(data: st.DataObject, height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    labels = np.full((height, width), data.draw(st.integers(0, 255)), np.uint8)
    assert draw(image, SemanticResult(labels), SEMANTIC).shape == image.shape
    x1, x2 = sorted(data.draw(st.tuples(st.integers(0, width), st.integers(0, width))))
    y1, y2 = sorted(data.draw(st.tuples(st.integers(0, height), st.integers(0, height))))
    result = InstanceResult(
        boxes=np.array([[x1, y1, x2, y2]], np.float32),
        scores=np.array([1.0], np.float32),
        class_ids=np.array([2]),
        frame_hw=(height, width),
        _crops=(MaskCrop(x1, y1, np.ones((y2 - y1, x2 - x1), bool)),),
    )
    assert draw(image, result, INSTANCE).shape == image.shape
    nothing = InstanceResult(result.boxes[:0], result.scores[:0], result.class_ids[:0], (height, width), ())
    assert (draw(image, nothing, INSTANCE) == image).all()

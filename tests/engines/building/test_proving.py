"""What an engine is compared with, and what it is timed on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgeseg.engines.building.conversion import Converted
from edgeseg.engines.building.proving import Comparison, compare_with
from edgeseg.engines.request import Request
from edgeseg.graph.portable import PortableModel
from edgeseg.proof.tolerances import FP32
from edgeseg.proof.verify import Further
from tests.export import small_networks
from tests.exported_models import ExportedModels

PLACES = 5  # for detections; a score of 0 is padding


@pytest.fixture(scope="module")
def of_a_detector(exported: ExportedModels) -> Comparison:
    model = PortableModel.read(exported(small_networks.mask_rcnn, 1.0, max_detections=PLACES).path)
    return compare_with(model, Converted(model), Request(), None, FP32)


def with_detections(comparison: Comparison, counts: list[int], *, images: bool) -> Comparison:
    """Pretend that so many objects are found in each generated picture, or in each of as many images."""
    outputs = tuple(
        {
            "boxes": np.zeros((PLACES, 4), np.float32),
            "scores": np.where(np.arange(PLACES) < count, 0.9, 0.0).astype(np.float32),
            "class_ids": np.zeros(PLACES, np.int64),
            "masks": np.zeros((PLACES, 28, 28), np.float32),
        }
        for count in counts
    )
    if not images:
        return dataclasses.replace(comparison, golden=dataclasses.replace(comparison.golden, outputs=outputs))
    pictures = np.zeros((len(counts), *comparison.generated.shape[1:]), np.uint8)
    pictures[:, 0, 0, 0] = np.arange(len(counts))
    return dataclasses.replace(comparison, further=Further(pictures, outputs))


def test_a_detector_is_timed_where_it_finds_something(of_a_detector: Comparison) -> None:
    assert len(of_a_detector.golden.outputs) == 2
    second = with_detections(of_a_detector, [0, 3], images=False)
    np.testing.assert_array_equal(second.telling, of_a_detector.generated[1:])
    users = with_detections(second, [0, 1, 2], images=True)
    assert users.telling[:, 0, 0, 0].tolist() == [1, 2]
    empty = with_detections(second, [0, 0, 0], images=True)
    np.testing.assert_array_equal(empty.telling, of_a_detector.generated[1:])
    nothing = with_detections(empty, [0, 0], images=False)
    assert len(nothing.telling) == 3


def test_a_semantic_network_is_timed_on_the_first_images(exported: ExportedModels) -> None:
    model = PortableModel.read(exported(small_networks.unet).path)
    spec = model.spec.input
    comparison = compare_with(model, Converted(model), Request(), None, FP32)
    np.testing.assert_array_equal(comparison.telling, comparison.generated)
    images = np.full((2, spec.height, spec.width, 3), 7, np.uint8)
    given = compare_with(model, Converted(model), Request(), images, FP32)
    np.testing.assert_array_equal(given.telling, images)

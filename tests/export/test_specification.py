"""A spec describes the input that a network was trained on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from torch import nn

from edgeseg.export.settings import Settings
from edgeseg.export.specification import describe_input, specify
from edgeseg.models import zoo
from edgeseg.models.network import Network
from edgeseg.spec import ResizeFilter
from tests.export import small_networks

NETWORK = Network(nn.Identity(), "semantic", (0.5, 0.25, 0.0), (0.5, 0.5, 0.5), resize="letterbox")
SETTINGS = Settings("tiny", (64, 96), batch=2)


def test_padding_has_the_mean_colour() -> None:
    described = describe_input(NETWORK, SETTINGS)
    assert (described.height, described.width, described.batch) == (64, 96, 2)
    assert (described.resize, described.pad_bgr) == ("letterbox", (0, 64, 128))


@pytest.mark.parametrize(
    ("told", "expected"), [(None, ("linear", False)), ("linear", ("linear", True)), ("pil", ("pil", True))]
)
def test_the_filter_that_nobody_told_is_recorded_as_guessed(
    told: ResizeFilter | None, expected: tuple[str, bool]
) -> None:
    described = describe_input(dataclasses.replace(NETWORK, resize_filter=told), SETTINGS)
    assert (described.resize_filter, described.resize_filter_known) == expected


def test_the_threshold_of_masks_is_the_networks() -> None:
    network = dataclasses.replace(small_networks.mask_rcnn(), mask_threshold=0.4)
    shapes = {"boxes": (0, 4), "scores": (0,), "class_ids": (0,), "masks": (0, 28, 28)}
    nothing = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    assert specify(network, Settings("tiny", (64, 64)), nothing).thresholds.mask == 0.4


def test_torchvisions_detectors_are_known_to_resize_linearly() -> None:
    network = zoo.create("maskrcnn_resnet50_fpn", num_classes=3)
    assert (network.resize_filter, zoo.create("demo_unet").resize_filter) == ("linear", None)

"""Generated images of any channels and type span what the training saw, the same on every machine."""

from __future__ import annotations

import hashlib

import numpy as np

from edgeseg.scenes.inputs import input_image, input_images
from edgeseg.scenes.pictures import picture
from edgeseg.spec import GraphSpec, InputSpec


def test_images_of_cameras_are_the_pictures() -> None:
    image = input_image(3, InputSpec(24, 32), GraphSpec((0.5,) * 3, (0.2,) * 3))
    np.testing.assert_array_equal(image, picture(3, (24, 32)))


def test_a_thermal_cameras_images_span_its_mean_and_two_deviations() -> None:
    taken = InputSpec(48, 64, channels=1, dtype="uint16", channel_order="stored")
    images = input_images((0, 1), taken, GraphSpec((20000 / 65535,), (500 / 65535,)))
    assert (images.shape, images.dtype) == ((2, 48, 64, 1), np.uint16)
    assert 18990 <= images.min() < 19100
    assert 20900 < images.max() <= 21010
    assert len(np.unique(images)) > 1000  # finer than bytes


def test_channels_have_their_own_ranges_in_the_frames_order() -> None:
    taken = InputSpec(32, 32, channels=4, dtype="float32")
    image = input_image(0, taken, GraphSpec((3.0, 2.0, 1.0, -50.0), (0.1, 0.1, 0.1, 5.0)))  # red first
    for channel, (mean, std) in enumerate(((1.0, 0.1), (2.0, 0.1), (3.0, 0.1), (-50.0, 5.0))):
        assert np.abs(image[..., channel] - mean).max() <= 2 * std + 1e-4
        assert image[..., channel].std() > 0.1 * std


def test_the_bytes_are_the_same_for_ever() -> None:
    taken = InputSpec(16, 16, channels=2, dtype="float32", channel_order="stored")
    image = input_image(7, taken, GraphSpec((0.25, -1.5), (0.5, 2.0)))
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == "8f38001ba27d07ac"

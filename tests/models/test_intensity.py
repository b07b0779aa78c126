"""Layers that normalise an image by its own values, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.models.intensity import ClipAndScale, EachChannel, Prepared, Rescale, Standardise


@pytest.fixture
def image() -> torch.Tensor:
    """Two images of three channels with values 0..255, each channel of its own brightness."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.tensor([40.0, 90.0, 200.0]).reshape(1, 3, 1, 1)
    return (levels + 20 * torch.randn((2, 3, 8, 10), generator=generator)).clamp(0, 255)


def test_standardise_is_the_z_score_of_each_channel(image: torch.Tensor) -> None:
    raw = image.double().numpy()
    expected = (raw - raw.mean((2, 3), keepdims=True)) / raw.std((2, 3), keepdims=True)
    np.testing.assert_allclose(Standardise()(image).numpy(), expected, atol=1e-4)


def test_standardise_takes_all_channels_together_where_asked(image: torch.Tensor) -> None:
    raw = image.double().numpy()
    expected = (raw - raw.mean((1, 2, 3), keepdims=True)) / raw.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(Standardise(each_channel=False)(image).numpy(), expected, atol=1e-4)


def test_rescale_brings_each_image_to_the_range(image: torch.Tensor) -> None:
    rescaled = Rescale(-1.0, 1.0)(image)
    np.testing.assert_allclose(rescaled.amin((2, 3)).numpy(), -1.0, atol=1e-5)
    np.testing.assert_allclose(rescaled.amax((2, 3)).numpy(), 1.0, atol=1e-5)
    together = Rescale(each_channel=False)(image)
    np.testing.assert_allclose(together.amin((1, 2, 3)).numpy(), 0.0, atol=1e-5)


@pytest.mark.parametrize("layer", [Standardise(), Rescale()])
def test_an_image_of_one_value_stays_finite(layer: nn.Module) -> None:
    assert torch.equal(layer(torch.full((1, 1, 4, 4), 7.0)), torch.zeros(1, 1, 4, 4))


def test_clipping_comes_before_scaling() -> None:
    values = torch.tensor([[[[0.0, 10.0, 50.0, 200.0]]]])
    assert ClipAndScale(10, 100, 30, 20)(values).flatten().tolist() == [-1.0, -1.0, 1.0, 3.5]
    assert ClipAndScale(None, None, 30, 20)(values).flatten().tolist() == [-1.5, -1.0, 1.0, 8.5]


def test_each_channel_has_its_own_layer(image: torch.Tensor) -> None:
    layers = [Standardise(), ClipAndScale(None, None, 1.0, 2.0), nn.Identity()]
    result = EachChannel(layers)(image)
    for channel, layer in enumerate(layers):
        plane = image[:, channel : channel + 1]
        assert torch.equal(result[:, channel : channel + 1], layer(plane))


def test_columns_first_shows_the_network_the_image_on_its_side(image: torch.Tensor) -> None:
    network = nn.Conv2d(3, 2, (3, 5), padding=(1, 2))
    with torch.inference_mode():
        expected = network(Standardise()(image).transpose(2, 3)).transpose(2, 3)
        result = Prepared(Standardise(), network, columns_first=True)(image)
        assert torch.allclose(result, expected, atol=1e-6)
        assert not torch.allclose(result, Prepared(Standardise(), network)(image), atol=1e-2)

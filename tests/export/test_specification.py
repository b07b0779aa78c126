"""A spec describes the input that a network was trained on."""

from __future__ import annotations

from torch import nn

from edgeseg.export.settings import Settings
from edgeseg.export.specification import describe_input
from edgeseg.models.zoo import Network

NETWORK = Network(nn.Identity(), "semantic", (0.5, 0.25, 0.0), (0.5, 0.5, 0.5), resize="letterbox")
SETTINGS = Settings("tiny", (64, 96), batch=2)


def test_padding_has_the_mean_colour() -> None:
    described = describe_input(NETWORK, SETTINGS)
    assert (described.height, described.width, described.batch) == (64, 96, 2)
    assert (described.resize, described.pad_bgr) == ("letterbox", (0, 64, 128))

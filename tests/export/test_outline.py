"""Outputs and strides of a network, without computing them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeseg.export.outline import UNTOLD, outline
from edgeseg.models import zoo
from edgeseg.models.network import Network


class _TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 4, stride=4)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        scores = self.conv(image)
        return {"out": nn.functional.interpolate(scores, scale_factor=4), "aux": scores}


def test_every_output_has_its_channels_and_stride() -> None:
    told = outline(Network(_TwoHeads(), "semantic", default_size_hw=(64, 96)))
    assert told == {"heads": ["out: 5 channels", "aux: 5 channels"], "strides": [1, 4]}


def test_a_detector_has_the_strides_of_its_pyramid() -> None:
    told = outline(zoo.create("demo_maskrcnn"))
    assert told["strides"] == [4, 8, 16, 32, 64]
    assert told["heads"] == ["boxes", "scores", "class_ids", "masks"]


def test_a_network_that_has_to_be_run_says_so() -> None:
    class ByValues(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image if bool(image.mean() > 0) else -image

    assert outline(Network(ByValues(), "semantic"))["strides"] == UNTOLD


def test_the_network_itself_is_left_as_it_is() -> None:
    network = zoo.create("unet", width=4, depth=2)
    outline(network)
    assert next(network.module.parameters()).device == torch.device("cpu")

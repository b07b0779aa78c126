from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import mobilenet_v3_large as reference_mobilenet
from torchvision.models.detection.backbone_utils import _mobilenet_extractor

from edgeseg.models.fpn import BackboneWithFPN
from edgeseg.models.mobilenet_v3 import MobileNetV3Large, round_channels

from .reference_weights import randomise_batch_norm

TOLERANCE = 1e-5  # float32 convolutions in the same order


@pytest.mark.parametrize("dilated", [False, True])
@pytest.mark.parametrize("width", [1.0, 0.5, 0.75])
def test_torchvision_weights_give_torchvision_maps(dilated: bool, width: float) -> None:
    theirs = reference_mobilenet(weights=None, dilated=dilated, width_mult=width).eval().features
    randomise_batch_norm(theirs)
    ours = MobileNetV3Large(dilated=dilated, width=width).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(1, 3, 64, 96)

    with torch.inference_mode():
        maps = dict(zip(ours.stage_indices, ours(image), strict=True))
        x = image
        for index, layer in enumerate(theirs):
            x = layer(x)
            if index in maps:
                torch.testing.assert_close(
                    maps[index], x, rtol=TOLERANCE, atol=TOLERANCE * float(x.abs().max())
                )

    assert list(maps) == [0, 2, 4, 7, 13, 16]


@pytest.mark.parametrize(("dilated", "deepest"), [(False, 32), (True, 16)])
def test_maps_have_the_announced_channels_and_strides(dilated: bool, deepest: int) -> None:
    net = MobileNetV3Large(dilated=dilated).eval()

    maps = net(torch.zeros(1, 3, 64, 96))

    assert net.channels == (16, 24, 40, 80, 160, 960)
    assert net.strides == (2, 4, 8, 16, deepest, deepest)
    expected = [(1, c, 64 // s, 96 // s) for c, s in zip(net.channels, net.strides, strict=True)]
    assert [tuple(m.shape) for m in maps] == expected


@pytest.mark.parametrize("levels", [(4, 5), (2, 3, 5)])
def test_as_the_body_of_torchvisions_feature_pyramid(levels: tuple[int, ...]) -> None:
    backbone = reference_mobilenet(weights=None, norm_layer=nn.BatchNorm2d)
    reference = _mobilenet_extractor(backbone, True, 6, returned_layers=list(levels)).eval()
    randomise_batch_norm(reference)
    network = BackboneWithFPN(MobileNetV3Large(norm_layer=nn.BatchNorm2d), levels=levels).eval()
    network.load_state_dict(reference.state_dict(), strict=True)
    image = torch.randn(1, 3, 64, 96)

    with torch.inference_mode():
        for level, wanted in zip(network(image), reference(image).values(), strict=True):
            torch.testing.assert_close(
                level, wanted, rtol=TOLERANCE, atol=TOLERANCE * float(wanted.abs().max())
            )


@pytest.mark.parametrize(
    ("channels", "rounded"), [(16, 16), (12, 16), (11.9, 16), (3, 8), (20.1, 24), (18, 24)]
)
def test_channels_are_rounded_to_eight_without_losing_a_tenth(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded

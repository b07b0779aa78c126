from __future__ import annotations

import pytest
import torch
import torchvision.models.resnet as reference
from torch import nn

from edgeseg.models import resnet

from .reference_weights import randomise_batch_norm

ATROUS = (False, True, True)
TOLERANCE = 1e-5  # float32 convolutions in the same order


@pytest.mark.parametrize(
    ("name", "dilate"),
    [
        ("resnet18", (False, False, False)),
        ("resnet34", (False, False, False)),
        ("resnet50", (False, False, False)),
        ("resnet50", ATROUS),
        ("resnet101", ATROUS),
    ],
)
def test_torchvision_weights_give_torchvision_maps(name: str, dilate: tuple[bool, ...]) -> None:
    theirs = reference.__dict__[name](weights=None, replace_stride_with_dilation=list(dilate)).eval()
    randomise_batch_norm(theirs)
    ours = getattr(resnet, name)(replace_stride_with_dilation=dilate).eval()
    weights = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    ours.load_state_dict(weights, strict=True)
    image = torch.randn(1, 3, 64, 96)

    with torch.inference_mode():
        maps = ours(image)
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))
        for i, layer in enumerate((theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4)):
            x = layer(x)
            torch.testing.assert_close(maps[i], x, rtol=TOLERANCE, atol=TOLERANCE * float(x.abs().max()))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize(
    ("dilate", "strides"), [((False, False, False), (4, 8, 16, 32)), (ATROUS, (4, 8, 8, 8))]
)
def test_maps_have_the_announced_channels_and_strides(
    name: str, dilate: tuple[bool, ...], strides: tuple[int, ...]
) -> None:
    net = getattr(resnet, name)(width=8, replace_stride_with_dilation=dilate).eval()

    maps = net(torch.zeros(1, 3, 64, 96))

    assert net.strides == strides
    expected = [(1, c, 64 // s, 96 // s) for c, s in zip(net.channels, net.strides, strict=True)]
    assert [tuple(m.shape) for m in maps] == expected


def test_no_stage_is_wider_than_the_widest() -> None:
    assert resnet.resnet18(width=8, widest=24).channels == (8, 16, 24, 24)
    assert resnet.resnet50(width=8, widest=24).channels == (32, 64, 96, 96)  # four times, as ever
    assert resnet.resnet18(width=8, widest=1000).channels == (8, 16, 32, 64)


def test_atrous_stage_keeps_the_dilation_of_the_stage_before_in_its_first_block() -> None:
    net = resnet.resnet18(width=4, replace_stride_with_dilation=(False, False, True))

    dilations = [m.dilation[0] for m in net.layer4.modules() if isinstance(m, nn.Conv2d)]

    # first block: two convolutions and the 1x1 shortcut; second block: two convolutions
    assert dilations == [1, 1, 1, 2, 2]


def test_another_normalisation_layer_is_used_throughout() -> None:
    net = resnet.resnet50(width=8, norm_layer=lambda channels: nn.GroupNorm(2, channels))

    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())

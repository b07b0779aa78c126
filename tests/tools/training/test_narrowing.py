"""A narrow network keeps the channels of a wide one that matter, and learns from its answers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgeseg.models.resnet import resnet18
from edgeseg.models.unet import UNet
from tools.training.narrowing import narrow_resnet, shorten_unet
from tools.training.teaching import features_loss, soft_labels_loss
from tools.training.trainings import TRAININGS

IMAGE = torch.randn((2, 3, 64, 96), generator=torch.Generator().manual_seed(0))
SPOKEN = 24  # channels that are not silent


def drawn(network: nn.Module) -> nn.Module:
    """Draw scales and statistics, so that no two channels are alike."""
    generator = torch.Generator().manual_seed(1)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values in (norm.weight.data, norm.running_var):
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
            for values in (norm.bias.data, norm.running_mean):
                values.copy_(torch.randn(values.shape, generator=generator) * 0.1)
    return network.eval()


def test_channels_that_do_nothing_are_the_ones_left_out() -> None:
    wide, narrow = resnet18(width=8), resnet18(width=8, widest=SPOKEN).eval()
    drawn(wide)
    for norm in wide.layer3.modules():
        if isinstance(norm, nn.BatchNorm2d):
            silent = torch.arange(32) % 4 == 3  # every fourth of 32 channels
            norm.weight.data[silent] = norm.bias.data[silent] = 0
    kept = narrow_resnet(narrow, wide)
    assert [None if channels is None else len(channels) for channels in kept] == [None, None, SPOKEN, SPOKEN]
    with torch.inference_mode():
        found, expected = narrow(IMAGE), wide(IMAGE)
    torch.testing.assert_close(found[1], expected[1])
    torch.testing.assert_close(found[2], expected[2][:, kept[2]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["deeplab", "maskrcnn"])
def test_equal_widths_keep_every_weight(name: str) -> None:
    training = TRAININGS[name]
    wide, same = training.build(**training.wide), training.build(**training.wide)
    training.narrow(same, drawn(wide))
    own = same.state_dict()
    for key, value in wide.state_dict().items():
        assert torch.equal(own[key], value), key


def test_a_shorter_unet_keeps_all_but_the_deepest_level() -> None:
    wide, narrow = UNet(3, width=4, depth=3), UNet(3, width=4, depth=2)
    shorten_unet(narrow, wide)
    own, theirs = narrow.state_dict(), wide.state_dict()
    for key, same in (
        ("down2.maxpool_conv.1.double_conv.0.weight", "down2.maxpool_conv.1.double_conv.0.weight"),
        ("up1.up.weight", "up2.up.weight"),
        ("up2.conv.double_conv.3.weight", "up3.conv.double_conv.3.weight"),
    ):
        assert torch.equal(own[key], theirs[same])


def test_agreeing_with_the_teacher_costs_nothing() -> None:
    logits = torch.randn((2, 3, 4, 5), generator=torch.Generator().manual_seed(0))
    assert soft_labels_loss(logits, logits + 7.0).item() == pytest.approx(0.0, abs=1e-5)
    assert soft_labels_loss(logits, -logits).item() > 0.1
    # an error as large as the maps' own spread costs 1 a level
    off = logits + logits.var().sqrt()
    assert features_loss([off, logits], [logits, logits]).item() == pytest.approx(1.0, abs=1e-4)

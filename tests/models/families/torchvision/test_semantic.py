"""torchvision's semantic networks, with heads of tutorials and images of other channels, give its logits."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18, segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.fcn import FCNHead

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.export.outline import outline
from edgeseg.models.families.opening import FamilyNetwork, open_source
from edgeseg.models.families.source import read_source
from tests.models.reference_weights import randomise_batch_norm

HW = (64, 96)
CLASSES = 3
TOLERANCE = 1e-5  # float32, of the largest logit


def _network(name: str, *, channels: int = 3, **parameters: Any) -> nn.Module:
    torch.manual_seed(0)
    make = getattr(segmentation, name)
    parameters = {"num_classes": CLASSES, **parameters}
    network: nn.Module = make(weights=None, weights_backbone=None, **parameters)
    if channels != 3:
        first = network.backbone.conv1 if "resnet" in name else network.backbone["0"][0]
        of_channels = nn.Conv2d(
            channels, first.out_channels, first.kernel_size, first.stride, first.padding, bias=False
        )
        if "resnet" in name:
            network.backbone.conv1 = of_channels
        else:
            network.backbone["0"][0] = of_channels
    randomise_batch_norm(network)
    return network.eval()


def _opened(network: nn.Module, folder: Path, name: str = "auto", *, before: str = "") -> FamilyNetwork:
    weights = {before + key: tensor for key, tensor in network.state_dict().items()}
    torch.save(weights, folder / "w.pth")
    return open_source(name, read_source(folder / "w.pth"))


@torch.inference_mode()
def _assert_same_logits(opened: FamilyNetwork, network: nn.Module, channels: int = 3) -> None:
    image = torch.randn(1, channels, *HW)
    expected: Tensor = network(image)["out"]
    logits = F.interpolate(opened.network.module(image), HW, mode="bilinear", align_corners=False)
    torch.testing.assert_close(logits, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max()))


def _with_new_heads(name: str) -> nn.Module:
    """Replace the last convolution, and train another auxiliary head beside it."""
    network = _network(name, num_classes=21, aux_loss=True)
    network.classifier[-1] = nn.Conv2d(network.classifier[-1].in_channels, CLASSES, kernel_size=(1, 1))
    network.aux_classifier = FCNHead(network.aux_classifier[0].in_channels, 7)
    return network.eval()


@pytest.mark.parametrize(
    ("make", "architecture", "backbone"),
    [
        (partial(_network, "lraspp_mobilenet_v3_large"), "lraspp_mobilenet_v3_large", "mobilenet_v3_large"),
        (
            partial(_with_new_heads, "deeplabv3_mobilenet_v3_large"),
            "deeplabv3_mobilenet_v3_large",
            "mobilenet_v3_large",
        ),
        (partial(_network, "fcn_resnet50"), "fcn_resnet50", "resnet50"),
        pytest.param(
            partial(_with_new_heads, "deeplabv3_resnet50"),
            "deeplabv3_resnet50",
            "resnet50",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_same_logits(make: Any, architecture: str, backbone: str, tmp_path: Path) -> None:
    network = make()
    opened = _opened(network, tmp_path, before="segmenter.")
    recognised = opened.recognised
    assert (recognised.model, recognised.backbone) == (f"torchvision:{architecture}", backbone)
    assert (recognised.num_classes, recognised.sure) == (CLASSES, "certain")
    assert opened.network.class_names is None
    _assert_same_logits(opened, network)


@pytest.mark.parametrize(("channels", "frame", "order"), [(1, 3, "grey"), (4, 4, "stored")])
def test_other_channels_are_read_from_the_first_convolution(
    channels: int, frame: int, order: str, tmp_path: Path
) -> None:
    network = _network("lraspp_mobilenet_v3_large", channels=channels)
    opened = _opened(network, tmp_path)
    made = opened.network
    assert (made.channels, made.channel_order, made.mean_rgb) == (frame, order, (0.0,) * frame)
    assert "mean_rgb" not in made.said
    assert outline(made) == {"heads": [f"output: {CLASSES} channels"], "strides": [8]}
    assert any(f"deviation of {channels} channel" in note and "--mean" in note for note in opened.notes)
    _assert_same_logits(opened, network, channels)

    numbers = ",".join(["0.5"] * channels)
    said = f"torchvision?image_mean=({numbers},)&image_std=({numbers},)"
    told = _opened(network, tmp_path, said)
    assert told.network.mean_rgb == (0.5,) * frame
    assert told.network.said["mean_rgb"] == "MODEL's arguments"
    assert not any("not known" in note for note in told.notes)


def test_own_class_names_and_pixels_are_said(tmp_path: Path) -> None:
    opened = _opened(_network("lraspp_mobilenet_v3_large", num_classes=21), tmp_path)
    network = opened.network
    assert network.class_names is not None
    assert network.class_names[15] == "person"
    assert (network.default_size_hw, network.head) == ((520, 520), "logits")
    assert network.said["mean_rgb"] == "torchvision's own training (ImageNet)"
    assert "resize" not in network.said


def test_a_changed_stride_and_rates_are_taken(tmp_path: Path) -> None:
    network = _network("deeplabv3_resnet50")
    for block in (network.backbone.layer3, network.backbone.layer4):
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (1, 1)
    network.backbone.layer3[0].conv2.stride = network.backbone.layer3[0].downsample[0].stride = (2, 2)
    network.backbone.layer4[0].conv2.stride = network.backbone.layer4[0].downsample[0].stride = (2, 2)
    for view, rate in zip(network.classifier[0].convs[1:4], (2, 4, 6), strict=True):
        view[0].dilation = view[0].padding = (rate, rate)
    said = "replace_stride_with_dilation=(False,False,False)&atrous_rates=(2,4,6)"
    _assert_same_logits(_opened(network, tmp_path, f"torchvision:deeplabv3_resnet50?{said}"), network)


def test_a_backbone_that_no_function_takes_is_made_and_what_is_assumed_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    body = IntermediateLayerGetter(resnet18(weights=None), {"layer4": "out"})
    network = segmentation.FCN(body, FCNHead(512, CLASSES))
    randomise_batch_norm(network)
    opened = _opened(network.eval(), tmp_path)
    assert (opened.recognised.model, opened.recognised.backbone) == ("torchvision:FCN", "resnet18")
    assert any("do not show replace_stride_with_dilation" in note for note in opened.notes)
    _assert_same_logits(opened, network)


def test_what_does_not_fit_is_refused_with_what_it_is(tmp_path: Path) -> None:
    network = _network("lraspp_mobilenet_v3_large")
    with pytest.raises(CheckpointError, match="but of torchvision:lraspp_mobilenet_v3_large"):
        _opened(network, tmp_path, "torchvision:fcn_resnet50")
    with pytest.raises(UsageError, match="has no argument 'min_size'"):
        _opened(network, tmp_path, "torchvision?min_size=480")
    with pytest.raises(UsageError, match="cannot be made"):
        _opened(_network("fcn_resnet50"), tmp_path, "torchvision?replace_stride_with_dilation=3")
    with pytest.raises(UsageError, match="--num-classes 5: the weights have 3 classes"):
        open_source("torchvision", read_source(tmp_path / "w.pth"), num_classes=5)

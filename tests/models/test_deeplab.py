from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision.models.segmentation as reference
from torch import nn

from edgeseg.errors import UsageError
from edgeseg.models.deeplab import (
    ASPP,
    DeepLabV3,
    ImagePooling,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet,
    deeplabv3plus_mobilenet_v3_large,
    deeplabv3plus_resnet,
)

from .reference_weights import randomise_batch_norm

TOLERANCE = 1e-4  # relative; the task's bound


@pytest.mark.parametrize(
    "name", ["deeplabv3_resnet50", "deeplabv3_resnet101", "deeplabv3_mobilenet_v3_large"]
)
@pytest.mark.parametrize("classes", [21, 3])
def test_torchvision_weights_give_torchvision_logits(name: str, classes: int) -> None:
    theirs = reference.__dict__[name](weights=None, weights_backbone=None, num_classes=classes).eval()
    randomise_batch_norm(theirs)
    ours = _ours(name, classes)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(2, 3, 64, 96)

    with torch.inference_mode():
        logits = ours(image)
        expected = theirs.classifier(theirs.backbone(image)["out"])
        upsampled = F.interpolate(logits, size=(64, 96), mode="bilinear", align_corners=False)
        final = theirs(image)["out"]

    scale = float(expected.abs().max())
    torch.testing.assert_close(logits, expected, rtol=TOLERANCE, atol=TOLERANCE * scale)
    torch.testing.assert_close(upsampled, final, rtol=TOLERANCE, atol=TOLERANCE * scale)


def _ours(name: str, classes: int) -> DeepLabV3:
    if "mobilenet" in name:
        return deeplabv3_mobilenet_v3_large(classes).eval()
    return deeplabv3_resnet(name.removeprefix("deeplabv3_"), classes).eval()


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_v3_logits_have_the_output_stride(output_stride: int) -> None:
    net = deeplabv3_resnet("resnet18", 4, width=8, aspp_channels=8, output_stride=output_stride).eval()

    assert net(torch.zeros(1, 3, 64, 96)).shape == (1, 4, 64 // output_stride, 96 // output_stride)


@pytest.mark.parametrize("size_hw", [(64, 96), (75, 101)])
def test_v3plus_logits_have_stride_four(size_hw: tuple[int, int]) -> None:
    image = torch.zeros(1, 3, *size_hw)
    fine = tuple(-(-side // 4) for side in size_hw)

    for net in (
        deeplabv3plus_resnet("resnet18", 4, width=8, aspp_channels=8),
        deeplabv3plus_resnet("resnet50", 4, width=8, aspp_channels=8, output_stride=8),
        deeplabv3plus_mobilenet_v3_large(4, width=0.5, aspp_channels=8),
    ):
        assert net.eval()(image).shape == (1, 4, *fine)


def test_v3plus_is_a_decoder_over_context_and_detail() -> None:
    net = deeplabv3plus_resnet("resnet18", 4, width=8, aspp_channels=8, low_level_channels=5).eval()
    randomise_batch_norm(net)
    image = torch.randn(1, 3, 64, 96)
    head = net.classifier

    with torch.inference_mode():
        fine, _, _, coarse = net.backbone(image)
        context = F.interpolate(head.aspp(coarse), scale_factor=4, mode="bilinear", align_corners=False)
        joined = torch.cat([head.project(fine), context], dim=1)
        expected = head.classifier(joined)

        assert joined.shape[1] == 5 + 8
        torch.testing.assert_close(net(image), expected)


def test_aspp_sees_as_far_as_its_rates_and_the_image_mean() -> None:
    aspp = ASPP(1, rates=(2, 3, 4), channels=1).eval()
    x = torch.zeros(1, 1, 11, 11)
    x[..., 5, 5] = 1.0

    reach = [
        sorted({abs(int(row) - 5) for row, _ in view(x)[0, 0].abs().gt(1e-9).nonzero()})
        for view in (_convolution(v) for v in aspp.convs[:4])
    ]

    assert reach == [[0], [0, 2], [0, 3], [0, 4]]
    pooling = ImagePooling(1, 1).eval()
    nn.init.ones_(pooling[1].weight)
    torch.testing.assert_close(pooling(x), torch.full_like(x, 1 / 121), rtol=1e-4, atol=0.0)


def _convolution(view: nn.Module) -> nn.Module:
    conv = view[0]
    nn.init.ones_(conv.weight)
    return conv


def test_unknown_backbone_or_stride_is_refused() -> None:
    with pytest.raises(UsageError, match="resnet18, resnet34, resnet50, resnet101"):
        deeplabv3_resnet("resnet20")
    with pytest.raises(UsageError, match="8, 16 and 32"):
        deeplabv3plus_resnet("resnet18", output_stride=4)

"""Every backbone that torchvision puts under a pyramid is known by its weights, and made with their names."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from edgeseg.models.families.torchvision.backbones import body_of, levels_of
from edgeseg.models.fpn import BackboneWithFPN

RESNETS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)
MOBILENETS = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")


def _reference(name: str, **parameters: object) -> dict[str, Tensor]:
    with torch.device("meta"):
        if name in RESNETS:
            module = resnet_fpn_backbone(backbone_name=name, weights=None, **parameters)
        else:
            module = mobilenet_backbone(backbone_name=name, weights=None, fpn=True, **parameters)
        return dict(module.state_dict())


@pytest.mark.parametrize("name", [*RESNETS, *MOBILENETS])
def test_a_backbone_is_made_with_torchvisions_names_and_shapes(name: str) -> None:
    reference = _reference(name, norm_layer=nn.BatchNorm2d)
    body = body_of(reference, "body.")
    assert body is not None
    assert (body.name, body.in_channels) == (name, 3)

    laterals = [weight.shape[1] for key, weight in reference.items() if "inner" in key and weight.ndim == 4]
    levels = levels_of(body, laterals)
    with torch.device("meta"):
        own = BackboneWithFPN(body.make(norm_layer=nn.BatchNorm2d), levels=levels).state_dict()
    assert {key: tensor.shape for key, tensor in own.items()} == {
        key: tensor.shape for key, tensor in reference.items()
    }


def test_frozen_normalisation_changes_nothing() -> None:
    body = body_of(_reference("resnet18", norm_layer=FrozenBatchNorm2d), "body.")
    assert body is not None
    assert body.name == "resnet18"


@pytest.mark.parametrize("levels", [[2, 3, 4, 5], [1, 3, 5], [0, 5]])
def test_levels_are_found_by_their_channels(levels: list[int]) -> None:
    reference = _reference("mobilenet_v3_large", returned_layers=levels)
    body = body_of(reference, "body.")
    assert body is not None
    assert levels_of(body, [body.channels[level] for level in levels]) == tuple(levels)
    assert levels_of(body, [7, 960]) is None


def test_a_backbone_of_something_else_is_none() -> None:
    reference = _reference("resnet18")
    del reference["body.layer3.0.conv1.weight"]
    del reference["body.layer3.1.conv1.weight"]
    assert body_of(reference, "body.") is None
    assert body_of({"body.0.0.weight": torch.zeros(16, 3, 3, 3)}, "body.") is None
    assert body_of({}, "body.") is None

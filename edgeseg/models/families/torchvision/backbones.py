"""Tell by names and shapes of weights of which of torchvision's backbones they are, and make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from edgeseg.models.backbone import Backbone
from edgeseg.models.families.resnet_weights import CONV_AXES, numbered, resnet_form
from edgeseg.models.mobilenet_v2 import MobileNetV2
from edgeseg.models.mobilenet_v3 import MobileNetV3Large, MobileNetV3Small
from edgeseg.models.resnet import STEM_WIDTH

RESNETS: Mapping[tuple[int, int, int], str] = {
    (18, 1, STEM_WIDTH): "resnet18",
    (34, 1, STEM_WIDTH): "resnet34",
    (50, 1, STEM_WIDTH): "resnet50",
    (101, 1, STEM_WIDTH): "resnet101",
    (152, 1, STEM_WIDTH): "resnet152",
    (50, 32, 4): "resnext50_32x4d",
    (101, 32, 8): "resnext101_32x8d",
    (101, 64, 4): "resnext101_64x4d",
    (50, 1, 2 * STEM_WIDTH): "wide_resnet50_2",
    (101, 1, 2 * STEM_WIDTH): "wide_resnet101_2",
}
"""torchvision's names, by depth, groups, and channels of a group."""

MOBILENETS: Mapping[tuple[str, int], tuple[str, Callable[..., Backbone]]] = {
    ("block", 17): ("mobilenet_v3_large", MobileNetV3Large),
    ("block", 13): ("mobilenet_v3_small", MobileNetV3Small),
    ("conv", 19): ("mobilenet_v2", MobileNetV2),
}
"""By what their blocks call their layers, and by the number of layers and blocks."""


@dataclass(frozen=True)
class Body:
    """A backbone.

    Attributes:
        name: torchvision's.
        make: with `norm_layer`, and what dilates it.
        in_channels: of the image.
        channels: of its maps, finest first.
    """

    name: str
    make: Callable[..., Backbone]
    in_channels: int
    channels: tuple[int, ...]

    @property
    def is_resnet(self) -> bool:
        """Tell whether it is a ResNet, ResNeXt or wide ResNet."""
        return "resne" in self.name


def body_of(weights: Mapping[str, Tensor], prefix: str) -> Body | None:
    """Read which backbone has weights under a prefix; None if it is none of torchvision's."""
    return _resnet(weights, prefix) or _mobilenet(weights, prefix)


def levels_of(body: Body, lateral_channels: Sequence[int]) -> tuple[int, ...] | None:
    """Tell which of a body's maps a pyramid stands on, by their channels, the coarsest that fit.

    Returns:
        Their numbers, finest first; None if there are none of such channels.
    """
    levels: list[int] = []
    end = len(body.channels)
    for wanted in reversed(lateral_channels):
        end = next((level for level in reversed(range(end)) if body.channels[level] == wanted), -1)
        if end < 0:
            return None
        levels.insert(0, end)
    return tuple(levels)


def _resnet(weights: Mapping[str, Tensor], prefix: str) -> Body | None:
    form = resnet_form(weights, prefix)
    if form is None or form.width != STEM_WIDTH or form.depth is None:
        return None
    name = RESNETS.get((form.depth, form.groups, form.width_per_group))
    return None if name is None else _body(name, form.make, form.in_channels)


def _mobilenet(weights: Mapping[str, Tensor], prefix: str) -> Body | None:
    stem = weights.get(f"{prefix}0.0.weight")
    if stem is None or stem.ndim != CONV_AXES:
        return None
    kind = "block" if f"{prefix}1.block.0.0.weight" in weights else "conv"
    before = prefix.replace(".", r"\.")
    found = MOBILENETS.get((kind, numbered(weights, rf"{before}(\d+)\..+")))
    if found is None:
        return None
    name, make = found
    return _body(name, partial(make, in_channels=stem.shape[1]), stem.shape[1])


def _body(name: str, make: Callable[..., Any], in_channels: int) -> Body:
    with torch.device("meta"):  # without memory
        channels = make().channels
    return Body(name, make, in_channels, channels)

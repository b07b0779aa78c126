"""Tell by names and shapes of weights which ResNet or ResNeXt they are of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from edgeseg.models.resnet import STEM_WIDTH, BasicBlock, Bottleneck, ResNet
from edgeseg.spec import RGB_CHANNELS

CONV_AXES = 4  # of a convolution's weight: out, in, rows, columns
STAGES = range(1, 5)
DEPTHS: Mapping[tuple[bool, tuple[int, ...]], int] = {
    (False, (2, 2, 2, 2)): 18,
    (False, (3, 4, 6, 3)): 34,
    (True, (3, 4, 6, 3)): 50,
    (True, (3, 4, 23, 3)): 101,
    (True, (3, 8, 36, 3)): 152,
}
"""Layers that networks are named by: of bottlenecks or not, and so many blocks a stage."""


@dataclass(frozen=True)
class ResNetForm:
    """What shapes show of a ResNet.

    Attributes:
        bottleneck: whether its blocks have three convolutions, else two.
        blocks: of each stage.
        width: channels of the stem.
        groups: of a bottleneck's 3x3 convolution.
        width_per_group: channels of a group where the stem has 64.
        in_channels: of the image.
    """

    bottleneck: bool
    blocks: tuple[int, ...]
    width: int = STEM_WIDTH
    groups: int = 1
    width_per_group: int = STEM_WIDTH
    in_channels: int = RGB_CHANNELS

    @property
    def depth(self) -> int | None:
        """Layers, as networks are named by them; None if no known one has such stages."""
        return DEPTHS.get((self.bottleneck, self.blocks))

    @property
    def group_channels(self) -> int:
        """Count a group's channels in the first stage."""
        return self.width_per_group * self.width // STEM_WIDTH

    def make(self, **parameters: Any) -> ResNet:
        """Make the network; what shapes do not show are parameters of `ResNet` and its blocks."""
        if not self.bottleneck:
            parameters.pop("stride_in_1x1", None)
            return ResNet(
                BasicBlock, self.blocks, width=self.width, in_channels=self.in_channels, **parameters
            )
        return ResNet(
            Bottleneck,
            self.blocks,
            width=self.width,
            in_channels=self.in_channels,
            groups=self.groups,
            width_per_group=self.width_per_group,
            **parameters,
        )


def resnet_form(weights: Mapping[str, Tensor], prefix: str) -> ResNetForm | None:
    """Read the form of the ResNet whose weights begin with a prefix; None if there is none of four stages."""
    stem, middle = (weights.get(f"{prefix}{name}.weight") for name in ("conv1", "layer1.0.conv2"))
    before = re.escape(prefix)
    blocks = tuple(numbered(weights, rf"{before}layer{stage}\.(\d+)\.conv1\.weight") for stage in STAGES)
    if stem is None or middle is None or 0 in blocks or stem.ndim != CONV_AXES or middle.ndim != CONV_AXES:
        return None
    if 0 in stem.shape or 0 in middle.shape:
        return None
    width, in_channels = stem.shape[:2]
    if f"{prefix}layer1.0.conv3.weight" not in weights:
        return ResNetForm(False, blocks, width, in_channels=in_channels)
    inner, of_group = middle.shape[:2]
    groups = inner // of_group
    return ResNetForm(True, blocks, width, groups, inner * STEM_WIDTH // (groups * width), in_channels)


def numbered(weights: Mapping[str, Tensor], pattern: str) -> int:
    """Count the names of a form, which has a number."""
    return len({match[1] for name in weights if (match := re.fullmatch(pattern, name))})

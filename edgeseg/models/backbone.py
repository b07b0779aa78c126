"""What every backbone is: a network that turns an image into feature maps, finest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

NormLayer = Callable[[int], nn.Module]
"""Makes a normalisation layer for so many channels, such as `nn.BatchNorm2d`."""


class Backbone(nn.Module):
    """A network without its classifier.

    Attributes:
        channels: of each returned map, finest first.
        strides: input pixels per cell of each returned map.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Turn a normalised image (N, 3, H, W) into maps (N, channels[i], H/strides[i], W/strides[i])."""
        raise NotImplementedError


class Stage(NamedTuple):
    """A layer whose map a backbone returns."""

    layer: int  # its number
    channels: int
    stride: int


class NumberedBackbone(Backbone):
    """Layers one after another, numbered from 0 in the state dict, of which some give the maps.

    Args:
        layers: from the image on; their convolutions are drawn anew.
        stages: whose maps are returned, finest first.
    """

    def __init__(self, layers: Sequence[nn.Module], stages: Sequence[Stage]) -> None:
        super().__init__()
        for index, layer in enumerate(layers):
            self.add_module(str(index), layer)
        self.stage_indices = tuple(stage.layer for stage in stages)
        self.channels = tuple(stage.channels for stage in stages)
        self.strides = tuple(stage.stride for stage in stages)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Turn a normalised image (N, in_channels, H, W) into a map a stage, at `strides`."""
        maps: list[Tensor] = []
        x = image
        for index, layer in enumerate(self.children()):
            x = layer(x)
            if index in self.stage_indices:
                maps.append(x)
        return tuple(maps)


def initialise_convolutions(module: nn.Module) -> None:
    """Draw every convolution's weights for ReLU networks (He et al. 2015, fan-out); biases start at zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

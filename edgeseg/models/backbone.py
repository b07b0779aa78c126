"""What every backbone is: a network that turns an image into feature maps, finest first."""

from __future__ import annotations

from collections.abc import Callable

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


def initialise_convolutions(module: nn.Module) -> None:
    """Draw every convolution's weights for ReLU networks (He et al. 2015, fan-out); biases start at zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

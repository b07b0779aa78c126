"""Layers that normalise images where no fixed mean and deviation can.

Medical networks are often trained on images of which each was normalised by its own statistics. A graph
computes those as well as any other layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_VARIANCE = 1e-8  # of values 0..255; an image of one value becomes 0
LEAST_RANGE = 1e-8


class Standardise(nn.Module):
    """Subtract an image's own mean and divide by its own deviation ("z-score").

    Args:
        each_channel: by the statistics of each channel, not of all together.
    """

    def __init__(self, *, each_channel: bool = True) -> None:
        super().__init__()
        self.each_channel = each_channel

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, C, H, W) into the same with mean 0 and deviation 1."""
        return F.group_norm(image, image.shape[1] if self.each_channel else 1, eps=LEAST_VARIANCE)


class Rescale(nn.Module):
    """Bring an image's own least value to `low` and its greatest to `high`.

    Args:
        each_channel: of each channel, not of all together.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, *, each_channel: bool = True) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.dims = (2, 3) if each_channel else (1, 2, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, C, H, W) into the same with values `low` to `high`."""
        least, greatest = image.amin(self.dims, keepdim=True), image.amax(self.dims, keepdim=True)
        unit = (image - least) / (greatest - least).clamp(min=LEAST_RANGE)
        return unit * (self.high - self.low) + self.low


class ClipAndScale(nn.Module):
    """Cut values off at both ends, then subtract a mean and divide by a deviation, all of them fixed.

    Args:
        low, high: no value is less, or more; None cuts nothing off.
        mean, std: of the values then.
    """

    def __init__(self, low: float | None, high: float | None, mean: float, std: float) -> None:
        super().__init__()
        self.low, self.high, self.mean, self.std = low, high, mean, std

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, C, H, W) into `(clip(x) - mean) / std`."""
        if self.low is not None or self.high is not None:
            image = image.clamp(self.low, self.high)
        return (image - self.mean) / self.std


class EachChannel(nn.Module):
    """Give each channel its own layer."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, C, H, W) into the same, one layer a channel."""
        planes = [layer(image[:, i : i + 1]) for i, layer in enumerate(self.layers)]
        return torch.cat(planes, dim=1)


class Prepared(nn.Module):
    """A network behind the layers that prepare its image.

    Args:
        prepare: normalises the image.
        network: with one output for each pixel, (N, C, H, W).
        columns_first: the network was trained on images whose first axis goes from left to right, as MONAI
            reads pictures: it gets (N, C, W, H), and what it gives is turned back.
    """

    def __init__(self, prepare: nn.Module, network: nn.Module, *, columns_first: bool = False) -> None:
        super().__init__()
        self.prepare = prepare
        self.network = network
        self.columns_first = columns_first

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, C, H, W) of raw values into what the network makes of it."""
        x = self.prepare(image)
        if self.columns_first:
            return cast(Tensor, self.network(x.transpose(2, 3))).transpose(2, 3)
        return cast(Tensor, self.network(x))

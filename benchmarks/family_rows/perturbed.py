"""Weights that are not trivial, and pixels as libraries take them, for the rows of `benchmarks.families`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def perturb(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every normalisation statistics and scales of its own, and set a module into evaluation mode.

    A module as it is made has a mean of 0 and a deviation of 1 in every batch normalisation, which hides one
    that is left out, or has another epsilon.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith("running_mean"):
            tensor.copy_(0.2 * (noise - 0.5))
        elif name.endswith("running_var") or _is_scale(module, name):
            tensor.copy_(0.5 + noise)
    return module.eval()


def balance(last: nn.Conv2d, logits_of: Sequence[Tensor]) -> None:
    """Shift the last layer's bias so that every class wins somewhere.

    Args:
        last: gives the logits; it gets a bias if it has none.
        logits_of: (N, C, h, w) logits of some images.
    """
    logits = torch.cat([one.detach().flatten(2).transpose(1, 2).flatten(0, 1) for one in logits_of])
    if last.bias is None:
        last.bias = nn.Parameter(torch.zeros(last.out_channels))
    with torch.no_grad():
        last.bias -= logits.mean(dim=0)


def as_tensor(
    frame_bgr: NDArray[np.uint8],
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    *,
    scale: float = 1 / 255,
    bgr: bool = False,
) -> Tensor:
    """Normalise a BGR frame (H, W, 3) to (1, 3, H, W) float32: (x * scale - mean) / std, red first or not."""
    pixels = frame_bgr if bgr else frame_bgr[:, :, ::-1]
    image = torch.from_numpy(np.ascontiguousarray(pixels).transpose(2, 0, 1).astype(np.float32)) * scale
    return (image - torch.tensor(mean).reshape(-1, 1, 1)).div(torch.tensor(std).reshape(-1, 1, 1))[None]


def labels_of(logits: Tensor, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Upsample (1, C, h, w) logits to the frame, and give the largest's class of every pixel."""
    whole = nn.functional.interpolate(logits, size=size_hw, mode="bilinear", align_corners=False)
    return whole[0].argmax(dim=0).to(torch.uint8).numpy()


def _is_scale(module: nn.Module, name: str) -> bool:
    """Tell whether a weight is the scale of a normalisation: the only ones with one dimension."""
    parent = module.get_submodule(name.rpartition(".")[0])
    return name.endswith(".weight") and isinstance(parent, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm))

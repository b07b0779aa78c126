"""Give a freshly made reference network weights that exercise every term of its formula."""

from __future__ import annotations

import torch
from torch import nn


def randomise_batch_norm(module: nn.Module, seed: int = 0) -> None:
    """Draw batch-norm weights, biases and running statistics that are far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.0, generator=generator)
            nn.init.normal_(layer.bias, 0.0, 0.2, generator=generator)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0.0, 0.2, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)

"""Weights as a training leaves them: no statistics of batch normalisation at 0 and 1, no zero biases."""

from __future__ import annotations

import torch
from torch import nn

SEED = 5


def trained_looking(module: nn.Module) -> nn.Module:
    """Change a network's weights so that each of them matters, and put it into evaluation mode."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(0.75 + 0.5 * torch.rand(buffer.shape, generator=generator))
    return module.eval()

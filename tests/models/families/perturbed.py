"""Give a freshly made network weights of which every single one matters to its outputs."""

from __future__ import annotations

import torch
from torch import nn


def perturbed(module: nn.Module, seed: int = 0) -> nn.Module:
    """Move parameters and statistics away from where a network begins; put it into evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point() and tensor.ndim <= 1:
                tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.2)
    return module.eval()

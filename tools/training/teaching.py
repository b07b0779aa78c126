"""Turn what a wide network answers into losses for a narrow one: distillation."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 2.0  # of the softened probabilities


def soft_labels_loss(logits: Tensor, taught: Tensor) -> Tensor:
    """Kullback-Leibler divergence of softened probabilities, times the temperature's square.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015; mean over the pixels.

    Args:
        logits: (N, C, h, w) of the narrow network.
        taught: (N, C, h, w) of the wide one.
    """
    found, wanted = (F.log_softmax(each / TEMPERATURE, dim=1) for each in (logits, taught))
    return (wanted.exp() * (wanted - found)).sum(dim=1).mean() * TEMPERATURE**2


def features_loss(maps: Sequence[Tensor], taught: Sequence[Tensor]) -> Tensor:
    """Squared error of the pyramid's maps over the variance of the wide network's, summed over the levels.

    Romero et al., "FitNets: Hints for Thin Deep Nets", 2015. Both pyramids have as many channels.
    """
    errors = [F.mse_loss(found, wanted) / wanted.var() for found, wanted in zip(maps, taught, strict=True)]
    return sum(errors[1:], start=errors[0])

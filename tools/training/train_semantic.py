"""Turn scenes into a trained semantic network: cross-entropy and Dice on logits at the labels' size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.scenes.scene import Scene
from tools.training.datasets import semantic_batches
from tools.training.fitting import Schedule, fit, mixed_precision
from tools.training.teaching import soft_labels_loss

DICE_WEIGHT = 0.5
DICE_SMOOTHING = 50.0  # pixels; an absent class costs little


def train_semantic(
    network: nn.Module,
    scenes: Sequence[Scene],
    schedule: Schedule,
    seed: int,
    on_step: Callable[[int, float], None],
    *,
    teacher: nn.Module | None = None,
) -> nn.Module:
    """Train a network that turns (N, 3, H, W) into logits (N, C, h, w).

    Args:
        network: its weights change in place.
        scenes: of one size.
        schedule: when to stop.
        seed: of the order and augmentation.
        on_step: called after each step.
        teacher: gives logits of the same size, whose soft labels count as much as the true ones.
    """
    network.train()
    fit(network, _losses(network, semantic_batches(scenes, schedule.batch, seed), teacher), schedule, on_step)
    return network.eval()


def semantic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus weighted soft Dice (Milletari et al., V-Net, 2016; mean over the classes).

    Args:
        logits: (N, C, h, w); enlarged bilinearly to the labels' size, as the runtime does.
        labels: (N, H, W) int64.
    """
    if logits.shape[-2:] != labels.shape[-2:]:
        logits = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    probabilities = logits.softmax(dim=1)  # (N, C, H, W)
    truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(probabilities.dtype)
    common = (probabilities * truth).sum(dim=(0, 2, 3))
    total = probabilities.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    dice = (2.0 * common + DICE_SMOOTHING) / (total + DICE_SMOOTHING)
    return F.cross_entropy(logits, labels) + DICE_WEIGHT * (1.0 - dice.mean())


def _losses(
    network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], teacher: nn.Module | None
) -> Iterator[Tensor]:
    for images, labels in batches:
        with mixed_precision():
            logits = network(images)
        loss = semantic_loss(logits.float(), labels)
        if teacher is not None:
            with torch.no_grad(), mixed_precision():
                taught = teacher(images)
            loss = loss + soft_labels_loss(logits.float(), taught.float())
        yield loss

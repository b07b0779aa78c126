"""Train a network of a row for dozens of steps on drawn scenes: then costs of fp16 and int8 mean something.

Classes of a network that was never trained lie close together: rounding moves many pixels, and hardly a layer
may be in int8. Seconds of training are enough to part them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeseg.scenes.scene import generate

TRAINED = ", trained"  # in the name of a checkpoint
STEPS, BATCH = 80, 4
SCENES = 64
RATE = 8e-3  # which convolutions with normalised maps bear, and transformers do not
MOMENTUM = 0.1  # of the statistics of batches: some networks have 0.01, for far more steps
OBJECTS_WEIGHT = 4.0  # of a pixel of objects in the loss; most pixels are background
FIRST_SEED = 10_000  # of the scenes; others than those that are compared or calibrated on


def train(
    network: nn.Module,
    classes: int,
    size_hw: tuple[int, int],
    prepare: Callable[[NDArray[np.uint8]], Tensor],
    *,
    logits_of: Callable[[Any], Tensor] = lambda output: output,
    rate: float = RATE,
) -> None:
    """Train a network from where it is; the same network becomes the same again.

    Args:
        network: left in evaluation mode.
        classes: of the network; the scenes' further ones count as its last.
        prepare: turns a BGR frame (H, W, 3) into the network's input (1, 3, H, W).
        logits_of: takes the logits (N, classes, h, w) out of what the network gives.
        rate: of learning, at its highest.
    """
    scenes = [generate(FIRST_SEED + number, size_hw) for number in range(SCENES)]
    images = torch.cat([prepare(scene.image) for scene in scenes])
    labels = torch.from_numpy(np.stack([np.minimum(scene.labels, classes - 1) for scene in scenes])).long()
    weights = torch.tensor([1.0] + [OBJECTS_WEIGHT] * (classes - 1))
    optimiser = torch.optim.AdamW(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=STEPS)
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.momentum = MOMENTUM
    torch.manual_seed(0)
    network.train()
    for _ in range(STEPS):
        batch = torch.randperm(SCENES)[:BATCH]
        logits = F.interpolate(
            logits_of(network(images[batch])), size_hw, mode="bilinear", align_corners=False
        )
        loss = F.cross_entropy(logits, labels[batch], weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()

"""Turn scenes into a trained Mask R-CNN, by torchvision's losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from edgeseg.scenes.scene import Scene
from tools.training.datasets import instance_batches
from tools.training.fitting import Schedule, fit
from tools.training.instance_network import FPN_CHANNELS

FINEST_STRIDE = 4


def train_mask_rcnn(
    network: MaskRCNN,
    scenes: Sequence[Scene],
    schedule: Schedule,
    seed: int,
    on_step: Callable[[int, float], None],
) -> MaskRCNN:
    """Train a network made by `trainable_mask_rcnn`.

    Its finest pyramid map also has to tell the class of every cell, through a 1x1 convolution that is thrown
    away afterwards: a dense lesson, from which the backbone learns sooner than from the sparse boxes.

    Args:
        network: its weights change in place.
        scenes: of one size, divisible by 32.
        schedule: when to stop.
        seed: of the order and augmentation.
        on_step: called after each step.
    """
    network.train()
    guide = nn.Conv2d(FPN_CHANNELS, network.roi_heads.box_predictor.cls_score.out_features, 1)
    batches = instance_batches(scenes, schedule.batch, seed)
    fit(nn.ModuleList([network, guide]), _losses(network, guide, batches), schedule, on_step)
    return network.eval()


def _losses(
    network: MaskRCNN,
    guide: nn.Conv2d,
    batches: Iterator[tuple[list[Tensor], list[dict[str, Tensor]], Tensor]],
) -> Iterator[Tensor]:
    for images, targets, labels in batches:
        detection = sum(network(images, targets).values())
        cells = labels[:, FINEST_STRIDE // 2 :: FINEST_STRIDE, FINEST_STRIDE // 2 :: FINEST_STRIDE]
        yield detection + F.cross_entropy(guide(network.backbone.finest), cells)

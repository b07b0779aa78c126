"""Turn scenes into a trained Mask R-CNN, by torchvision's losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from edgeseg.scenes.scene import Scene
from tools.training.datasets import instance_batches
from tools.training.fitting import Schedule, fit, mixed_precision
from tools.training.teaching import features_loss

FINEST_STRIDE = 4


def train_mask_rcnn(
    network: MaskRCNN,
    scenes: Sequence[Scene],
    schedule: Schedule,
    seed: int,
    on_step: Callable[[int, float], None],
    *,
    teacher: MaskRCNN | None = None,
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
        teacher: has a pyramid of the same size, whose maps the network's own shall resemble.
    """
    network.train()
    classes = network.roi_heads.box_predictor.cls_score.out_features
    guide = nn.Conv2d(network.backbone.out_channels, classes, 1)
    batches = instance_batches(scenes, schedule.batch, seed)
    fit(nn.ModuleList([network, guide]), _losses(network, guide, batches, teacher), schedule, on_step)
    return network.eval()


def _losses(
    network: MaskRCNN,
    guide: nn.Conv2d,
    batches: Iterator[tuple[list[Tensor], list[dict[str, Tensor]], Tensor]],
    teacher: MaskRCNN | None,
) -> Iterator[Tensor]:
    for images, targets, labels in batches:
        detection = sum(network(images, targets).values())
        cells = labels[:, FINEST_STRIDE // 2 :: FINEST_STRIDE, FINEST_STRIDE // 2 :: FINEST_STRIDE]
        loss = detection + F.cross_entropy(guide(network.backbone.maps[0]), cells)
        if teacher is not None:
            with torch.no_grad(), mixed_precision():
                taught = [level.float() for level in teacher.backbone(network.backbone.pixels).values()]
            loss = loss + features_loss(network.backbone.maps, taught)
        yield loss

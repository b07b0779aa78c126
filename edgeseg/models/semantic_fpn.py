"""Semantic FPN: turn an image into a class for every pixel by adding up the levels of a feature pyramid.

Kirillov et al., "Panoptic Feature Pyramid Networks", 2019. Each level is brought to a quarter of the image by
as many steps as that takes, a step being a 3x3 convolution and an enlargement to twice the size; the sum of
all levels is classified by a 1x1 convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.backbone import initialise_convolutions
from edgeseg.models.fpn import BackboneWithFPN

STRIDE = 4  # input pixels per cell of the logits
NORM_GROUPS = 32  # of group normalisation


class SemanticFPN(nn.Module):
    """The pyramid, a branch a level, and the classifier.

    Args:
        backbone: with its pyramid, whose last level is not used.
        num_classes: background, or what stands for it, included.
        channels: of the branches.
        group_norm: whether group normalisation follows each convolution, or the convolutions have biases.
    """

    def __init__(
        self, backbone: BackboneWithFPN, num_classes: int, *, channels: int = 128, group_norm: bool = True
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.strides: Sequence[int] = backbone.strides[:-1]
        self.branches = nn.ModuleList(
            _branch(backbone.out_channels, channels, stride, group_norm) for stride in self.strides
        )
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        initialise_convolutions(self.branches)

    def forward(self, image: Tensor) -> Tensor:
        """Turn a normalised image (N, 3, H, W) into logits (N, num_classes, H / 4, W / 4), rounded up.

        The image is padded with zeros, below and at the right, to a multiple of the coarsest stride.
        """
        multiple = self.strides[-1]
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, -width % multiple, 0, -height % multiple))
        total: Tensor | None = None
        for branch, level in zip(self.branches, self.backbone(padded)[:-1], strict=True):
            finest = branch(level)
            total = finest if total is None else total + finest
        logits: Tensor = self.classifier(total)
        return logits[..., : -(-height // STRIDE), : -(-width // STRIDE)]


def _branch(in_channels: int, channels: int, stride: int, group_norm: bool) -> nn.Sequential:
    """Make the steps of one level: one for the finest, which is not enlarged, else one for each doubling."""
    doublings = (stride // STRIDE).bit_length() - 1
    widths = [in_channels, *[channels] * max(1, doublings)]
    return nn.Sequential(
        *(
            nn.Sequential(
                nn.Conv2d(before, after, 3, padding=1, bias=not group_norm),
                *([nn.GroupNorm(NORM_GROUPS, after)] if group_norm else []),
                nn.ReLU(),
                *([nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False)] if doublings else []),
            )
            for before, after in pairwise(widths)
        )
    )

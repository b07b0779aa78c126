"""detectron2's semantic FPN, written plainly: weights to draw, and the logits that it defines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.families.plain_detector import convolve, layer_of, pyramid, resnet
from tests.models.families.random_weights import SMALL, Sizes, detectron2_name, drawn, layer_shapes

STEPS = (1, 1, 2, 3)  # convolutions of P2 to P5
NORM_GROUPS = 32


def semantic_weights(
    sizes: Sizes = SMALL, *, channels: int = 32, classes: int = 5, seed: int = 0
) -> dict[str, Tensor]:
    """Draw a semantic FPN: `p2.0`, `p3.0`, `p4.0`, `p4.2`, .. with group normalisation."""
    detector = drawn(layer_shapes(sizes), detectron2_name, seed)
    generator = torch.Generator().manual_seed(seed)
    weights = {name: tensor for name, tensor in detector.items() if name.startswith("backbone.")}
    for level, step in ((level, step) for level, steps in enumerate(STEPS) for step in range(steps)):
        name = _name(level, step)
        inputs = sizes.pyramid if step == 0 else channels
        weights[f"{name}.weight"] = torch.randn(channels, inputs, 3, 3, generator=generator) / inputs**0.5
        weights[f"{name}.norm.weight"] = 1 + 0.2 * torch.randn(channels, generator=generator)
        weights[f"{name}.norm.bias"] = 0.2 * torch.randn(channels, generator=generator)
    head = "sem_seg_head.predictor"
    weights[f"{head}.weight"] = torch.randn(classes, channels, 1, 1, generator=generator)
    weights[f"{head}.bias"] = torch.randn(classes, generator=generator)
    return weights


def plain_semantic_logits(weights: Mapping[str, Tensor], image: Tensor, blocks: Sequence[int]) -> Tensor:
    """Compute (1, C, H / 4, W / 4) of an image whose sides are multiples of 32."""
    layer = layer_of(weights, detectron2_name)
    levels = pyramid(layer, resnet(layer, image, blocks, stride_in_1x1=True))
    total = torch.zeros(())
    for number, level in enumerate(levels[: len(STEPS)]):
        x = level
        for step in range(STEPS[number]):
            name = _name(number, step)
            x = F.conv2d(x, weights[f"{name}.weight"], padding=1)
            norm = (weights[f"{name}.norm.{part}"] for part in ("weight", "bias"))
            x = F.group_norm(x, NORM_GROUPS, *norm).relu()
            if number > 0:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + x
    return convolve(weights.__getitem__, "sem_seg_head.predictor", total)


def _name(level: int, step: int) -> str:
    """Name a convolution; an enlargement stands between two."""
    return f"sem_seg_head.p{level + 2}.{2 * step}"

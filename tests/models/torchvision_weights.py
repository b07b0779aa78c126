"""Give torchvision's own Mask R-CNN random weights that behave like trained ones.

Freshly drawn weights find nothing: all scores are alike. Here batch norm's statistics are measured on an
image, every output layer is scaled so that its values spread as a trained network's do, and the background's
bias is searched for until the wanted number of detections comes out. Tests and benchmarks share this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import (
    MaskRCNN,
    maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
)

BUILDERS = {
    "maskrcnn_resnet50_fpn": maskrcnn_resnet50_fpn,
    "maskrcnn_resnet50_fpn_v2": maskrcnn_resnet50_fpn_v2,
}
OBJECTNESS_STD = 3.0
ANCHOR_DELTA_STD = 0.3
CLASS_LOGIT_STD = 4.0
BOX_DELTA_STD = 0.7
MASK_LOGIT_STD = 3.0
MASK_REGIONS = 64  # on which the mask head is measured
BISECTIONS = 16
LARGEST_BACKGROUND_BIAS = 60.0


def photo_like(height: int, width: int, *, seed: int = 0) -> Tensor:
    """Make (3, height, width) in 0..1 with detail at every scale, as photographs have."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    cell = max(height, width) // 2
    while cell >= 1:
        noise = torch.rand(1, 3, height // cell + 2, width // cell + 2, generator=generator)
        image += cell**0.5 * F.interpolate(noise, size=(height, width), mode="bicubic", align_corners=False)
        cell //= 2
    image -= image.amin()
    return (image / image.amax())[0]


def arranged(
    name: str,
    image: Tensor,
    *,
    detections: int,
    score_threshold: float = 0.05,
    seed: int = 0,
    **parameters: Any,
) -> MaskRCNN:
    """Build torchvision's network `name`, in eval mode, so that it finds `detections` objects in `image`.

    Args:
        name: a key of BUILDERS.
        image: (3, H, W) in 0..1.
        detections: how many should score above `score_threshold` after suppression; the cap per image
            (`box_detections_per_img`) applies on top of it.
        score_threshold: the network's `box_score_thresh`.
        seed: of the weights.
        parameters: for torchvision's builder, such as `min_size`.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BUILDERS[name](
            weights=None, weights_backbone=None, box_score_thresh=score_threshold, **parameters
        )
        arrange(model, image)
    aim(model, image, detections)
    return model


@torch.no_grad()
def arrange(model: MaskRCNN, image: Tensor) -> None:
    """Give a freshly built network weights as described above, but for the number of detections, in place."""
    for norm in norms(model):
        norm.weight.uniform_(0.6, 1.4)
        norm.bias.normal_(std=0.2)
        norm.momentum = None  # running statistics become the plain mean over what is seen
    model.eval()
    images = model.transform([image])[0]

    features = measured(model.backbone, images.tensors)
    hidden = [model.rpn.head.conv(level) for level in features.values()]
    spread(model.rpn.head.cls_logits, hidden, OBJECTNESS_STD)
    spread(model.rpn.head.bbox_pred, hidden, ANCHOR_DELTA_STD)
    proposals, _ = model.rpn(images, features)

    heads = model.roi_heads
    vectors = measured(heads.box_head, heads.box_roi_pool(features, proposals, images.image_sizes))
    spread(heads.box_predictor.cls_score, [vectors], CLASS_LOGIT_STD)
    spread(heads.box_predictor.bbox_pred, [vectors], BOX_DELTA_STD)

    regions = [proposals[0][:MASK_REGIONS]]
    pooled = heads.mask_roi_pool(features, regions, images.image_sizes)
    fine = heads.mask_predictor.conv5_mask(measured(heads.mask_head, pooled)).relu()
    spread(heads.mask_predictor.mask_fcn_logits, [fine], MASK_LOGIT_STD)


@dataclass(frozen=True)
class Scored:
    """What a network says of an image before its background bias: one row a proposal and class.

    Attributes:
        logits: (R, classes); the background's column has no bias.
        deltas: (R, classes * 4).
        proposals: one (R, 4), in pixels of the resized image.
        sizes_hw: of the resized image.
    """

    logits: Tensor
    deltas: Tensor
    proposals: list[Tensor]
    sizes_hw: list[tuple[int, int]]


@torch.no_grad()
def scored(model: MaskRCNN, image: Tensor) -> Scored:
    """Run a network up to the scores of its proposals, which `aim` needs, however often it aims."""
    heads = model.roi_heads
    images = model.transform([image])[0]
    features = model.backbone(images.tensors)
    proposals, _ = model.rpn(images, features)
    vectors = heads.box_head(heads.box_roi_pool(features, proposals, images.image_sizes))
    logits, deltas = heads.box_predictor(vectors)
    logits[:, 0] -= heads.box_predictor.cls_score.bias[0]
    return Scored(logits, deltas, proposals, images.image_sizes)


@torch.no_grad()
def aim(model: MaskRCNN, image: Tensor, detections: int, *, seen: Scored | None = None) -> None:
    """Set the background bias in the middle of those that leave `detections` objects in `image`.

    Args:
        seen: what `scored` gives of the model and the image, where the caller has it.
    """
    heads = model.roi_heads
    seen = seen or scored(model, image)
    cap, heads.detections_per_img = heads.detections_per_img, seen.logits.numel()

    def count(bias: float) -> int:
        shifted = seen.logits.clone()
        shifted[:, 0] += bias
        boxes, _, _ = heads.postprocess_detections(shifted, seen.deltas, seen.proposals, seen.sizes_hw)
        return len(boxes[0])

    def edge(low: float, beyond: Callable[[int], bool]) -> float:
        """Find the smallest bias over `low` whose number of detections is `beyond`."""
        high = LARGEST_BACKGROUND_BIAS
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (low, middle) if beyond(count(middle)) else (middle, high)
        return (low + high) / 2

    first = edge(-LARGEST_BACKGROUND_BIAS, lambda found: found <= detections)
    last = edge(first, lambda found: found < detections)
    # between the two, so that no score lies on the threshold
    heads.box_predictor.cls_score.bias[0] = (first + last) / 2
    heads.detections_per_img = cap


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def measured(module: nn.Module, x: Any) -> Any:
    """Set the module's running statistics to those of `x`, then run it on `x`."""
    if norms(module):
        for norm in norms(module):
            norm.reset_running_stats()
        module.train()
        module(x)
        module.eval()
    return module(x)


def spread(layer: nn.Conv2d | nn.Linear, inputs: list[Tensor], std: float) -> None:
    """Scale and shift each output channel of a layer to mean 0 and the wanted deviation over its inputs."""
    outputs = torch.cat([layer(x).transpose(0, 1).flatten(1) for x in inputs], dim=1)  # (channels, values)
    mean, scale = outputs.mean(dim=1), std / outputs.std(dim=1).clamp(min=1e-6)
    layer.bias.copy_((layer.bias - mean) * scale)
    layer.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.dim() - 1)))


@torch.no_grad()
def detect(model: MaskRCNN, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Run torchvision's network up to, and without, pasting the masks.

    Returns:
        The resized and normalised image (1, 3, H, W), without padding, and the detections in its pixels:
        boxes (D, 4), scores (D,), labels (D,), masks (D, 1, 28, 28).
    """
    images = model.transform([image])[0]
    features = model.backbone(images.tensors)
    proposals, _ = model.rpn(images, features)
    found, _ = model.roi_heads(features, proposals, images.image_sizes)
    height, width = images.image_sizes[0]
    return images.tensors[:, :, :height, :width], found[0]

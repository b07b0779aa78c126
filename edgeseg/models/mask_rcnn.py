"""Mask R-CNN: turn images into boxes, classes and masks of the objects in them.

He et al., "Mask R-CNN", 2017. From pixels to objects there are five steps, each in its own module:

1. a *backbone* computes feature maps, and a *feature pyramid* gives every scale both detail and meaning
   (`resnet.py`, `fpn.py`);
2. *anchors* lay boxes of a few sizes and shapes over every cell of every map (`anchors.py`);
3. the *region proposal network* keeps the anchors that seem to hold something, moved onto it (`rpn.py`);
4. the *box branch* pools features from each proposal by ROI-Align, names the class and tightens the box;
   non-maximum suppression leaves one box an object (`roi_heads.py`, `operators.py`);
5. the *mask branch* pools again, finer, from the final boxes and draws a 28x28 mask of the detected class.

This one is written for deployment: image size and all counts are fixed, the batch is a tensor axis, and what
is not there is padding with score 0. State-dict names and defaults are torchvision's; the results are, too.
Weights of other implementations give theirs with their own `conventions.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import ShapeError, UsageError
from edgeseg.intermediates import Probe, no_probe
from edgeseg.models.backbone import NormLayer, initialise_convolutions
from edgeseg.models.conventions import TORCHVISION, Conventions
from edgeseg.models.fpn import FPN_CHANNELS, BackboneWithFPN
from edgeseg.models.last_map import LastMap
from edgeseg.models.mobilenet_v3 import MobileNetV3Large
from edgeseg.models.resnet import STEM_WIDTH, resnet18, resnet50
from edgeseg.models.roi_heads import (
    BoxPredictor,
    MaskPredictor,
    RoIHeads,
    TwoMLPHead,
    conv_fc_head,
    conv_stack,
)
from edgeseg.models.rpn import RegionProposalNetwork

COCO_CLASSES = 91  # COCO's category ids, background included; ten of them are unused
ANCHOR_SIZES = ((32,), (64,), (128,), (256,), (512,))  # pixels, one a pyramid level
ASPECT_RATIOS = (0.5, 1.0, 2.0)  # height over width
MOBILENET_ANCHOR_SIZES = ((32, 64, 128, 256, 512),) * 3
MOBILENET_RPN_SCORE_THRESHOLD = 0.05
HEAD_CHANNELS = (256, 256, 256, 256)
NORM_EPS = 1e-5
"""PyTorch's default. torchvision's own COCO weights for `maskrcnn_resnet50_fpn`, and what is trained further
from them, were made with 0."""


class Detections(NamedTuple):
    """The objects found, best first; padding has score 0 and zeros everywhere but in its mask.

    Attributes:
        boxes: (N, D, 4) float32 xyxy, input pixels.
        scores: (N, D) float32 in 0..1.
        class_ids: (N, D) int64; 0 is background, so objects count from 1.
        masks: (N, D, M, M) float32 in 0..1, of the predicted class, stretched over the box.
    """

    boxes: Tensor
    scores: Tensor
    class_ids: Tensor
    masks: Tensor


class MaskRCNN(nn.Module):
    """The whole network, from a normalised image to detections.

    Args:
        backbone: with its pyramid, or of one map.
        num_classes: with background, which is class 0.
        anchor_sizes: square roots of the anchors' areas in pixels, one tuple a level, all equally long.
        aspect_ratios: of the anchors, height over width.
        rpn_conv_depth: 3x3 convolutions in the region proposal network's head.
        rpn_pre_nms: anchors taken from each level.
        rpn_post_nms: proposals an image.
        rpn_nms_threshold: IoU above which the worse of two proposals goes.
        rpn_score_threshold: objectness below which an anchor is no proposal.
        box_conv_channels: of convolutions in the box head; empty for two fully connected layers instead.
        representation_size: of the vector that describes a proposal.
        mask_channels: of the mask head's convolutions.
        mask_hidden_channels: of the mask at twice the resolution, before the class filters.
        head_norm_layer: normalisation in the box and mask heads' convolutions; None for biases alone.
        box_grid: bins per side that ROI-Align pools for the box head.
        mask_grid: bins per side for the mask head; masks are twice as fine.
        score_threshold: detections score more.
        box_nms_threshold: IoU above which the worse of two detections of a class goes.
        detections_per_image: D.
        detection_candidates: pairs of proposal and class that enter suppression; see `RoIHeads` for what this
            guarantees. TensorRT sorts fewer than 3840.
        padded: whether the result always has D detections, padded with score 0. If not, the batch must be 1,
            the result has as many detections as were found, and the mask branch runs on no others.
        conventions: details in which implementations differ; of the one that the weights were trained with.

    Raises:
        UsageError: if `anchor_sizes` does not fit the pyramid.
    """

    def __init__(
        self,
        backbone: BackboneWithFPN | LastMap,
        num_classes: int,
        *,
        anchor_sizes: Sequence[Sequence[float]] = ANCHOR_SIZES,
        aspect_ratios: Sequence[float] = ASPECT_RATIOS,
        rpn_conv_depth: int = 1,
        rpn_pre_nms: int = 1000,
        rpn_post_nms: int = 1000,
        rpn_nms_threshold: float = 0.7,
        rpn_score_threshold: float = 0.0,
        box_conv_channels: Sequence[int] = (),
        representation_size: int = 1024,
        mask_channels: Sequence[int] = HEAD_CHANNELS,
        mask_hidden_channels: int = 256,
        head_norm_layer: NormLayer | None = None,
        box_grid: int = 7,
        mask_grid: int = 14,
        score_threshold: float = 0.05,
        box_nms_threshold: float = 0.5,
        detections_per_image: int = 100,
        detection_candidates: int = 2000,
        padded: bool = True,
        conventions: Conventions = TORCHVISION,
    ) -> None:
        super().__init__()
        if len(anchor_sizes) != len(backbone.strides) or len({len(sizes) for sizes in anchor_sizes}) != 1:
            raise UsageError(
                f"anchor_sizes must hold {len(backbone.strides)} equally long tuples, one for each pyramid "
                f"level (strides {backbone.strides}), got {anchor_sizes}"
            )
        channels = backbone.out_channels
        pooled_strides = backbone.strides[: backbone.pooled_levels]
        self.size_multiple = pooled_strides[-1]
        self.padded = padded
        self.backbone = backbone
        self.rpn = RegionProposalNetwork(
            channels,
            anchor_sizes=anchor_sizes,
            aspect_ratios=aspect_ratios,
            conv_depth=rpn_conv_depth,
            pre_nms=rpn_pre_nms,
            post_nms=rpn_post_nms,
            nms_threshold=rpn_nms_threshold,
            score_threshold=rpn_score_threshold,
            strides=backbone.strides,
            conventions=conventions,
        )
        box_head: nn.Module
        if box_conv_channels:
            box_head = conv_fc_head(
                channels, box_grid, box_conv_channels, representation_size, head_norm_layer
            )
        else:
            box_head = TwoMLPHead(channels * box_grid**2, representation_size)
        mask_head = nn.Sequential(*conv_stack(channels, mask_channels, head_norm_layer))
        initialise_convolutions(mask_head)
        self.roi_heads = RoIHeads(
            strides=pooled_strides,
            box_head=box_head,
            box_predictor=BoxPredictor(representation_size, num_classes),
            mask_head=mask_head,
            mask_predictor=MaskPredictor(mask_channels[-1], mask_hidden_channels, num_classes),
            box_grid=box_grid,
            mask_grid=mask_grid,
            score_threshold=score_threshold,
            nms_threshold=box_nms_threshold,
            detections=detections_per_image,
            candidates=detection_candidates,
            conventions=conventions,
        )

    def anchors(self) -> dict[str, Any]:
        """Give `anchor_sizes` and `aspect_ratios`, which weights do not hold."""
        return {"anchor_sizes": self.rpn.anchor_sizes, "aspect_ratios": self.rpn.aspect_ratios}

    def forward(self, image: Tensor, probe: Probe = no_probe) -> Detections:
        """Find the objects.

        Args:
            image: (N, 3, H, W) float32, RGB, normalised; N = 1 unless `padded`.
            probe: is given every intermediate value, see `intermediates`.

        Returns:
            D detections an image, in pixels of the H x W image.

        Raises:
            ShapeError: if the batch is not 1 in a network that is not `padded`.
        """
        if not self.padded and len(image) != 1:
            raise ShapeError(
                f"without padding each image has its own number of detections: got a batch of {len(image)}; "
                "pass one image at a time, or build the network with padded=True"
            )
        image_hw = (image.shape[2], image.shape[3])
        pyramid = self.pyramid(image)
        for i, level in enumerate(pyramid):
            probe(f"maps.{i}", level)
        proposals = self.rpn(pyramid, self.padded_hw(image_hw), image_hw, probe)
        pooled_levels = pyramid[: self.backbone.pooled_levels]
        boxes, scores, class_ids = self.roi_heads.detect(pooled_levels, proposals, image_hw, probe)
        if not self.padded:
            boxes, scores, class_ids = drop_padding(boxes, scores, class_ids)
        masks = self.roi_heads.segment(pooled_levels, boxes, class_ids)
        return Detections(boxes, scores, class_ids, masks)

    def padded_hw(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Give the size that an image is padded to, so that every level covers it evenly."""
        height, width = (side + -side % self.size_multiple for side in image_hw)
        return height, width

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Compute the levels of an image (N, 3, H, W), padded below and at the right."""
        height, width = self.padded_hw((image.shape[2], image.shape[3]))
        if (height, width) != image.shape[2:]:
            image = F.pad(image, (0, width - image.shape[3], 0, height - image.shape[2]))
        levels: list[Tensor] = self.backbone(image)
        return levels


def drop_padding(boxes: Tensor, scores: Tensor, class_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cut one image's detections, best first, off where score 0 begins: (1, D, ..) -> (1, found, ..)."""
    found = cast(int, (scores > 0).sum().item())  # symbolic under torch.export; int() would pin it
    torch._check(found >= 0)
    torch._check(found <= scores.shape[1])
    return boxes[:, :found], scores[:, :found], class_ids[:, :found]


def mask_rcnn_resnet50_fpn(
    num_classes: int = COCO_CLASSES, *, norm_eps: float = NORM_EPS, **parameters: Any
) -> MaskRCNN:
    """Build Mask R-CNN on ResNet-50 and FPN; takes weights of torchvision's `maskrcnn_resnet50_fpn`.

    Args:
        num_classes: with background.
        norm_eps: of batch normalisation; 0 for torchvision's published COCO weights.
        parameters: keyword arguments of `MaskRCNN`.
    """
    body = resnet50(norm_layer=partial(nn.BatchNorm2d, eps=norm_eps))
    return MaskRCNN(BackboneWithFPN(body), num_classes, **parameters)


def mask_rcnn_resnet50_fpn_v2(
    num_classes: int = COCO_CLASSES, *, norm_eps: float = NORM_EPS, **parameters: Any
) -> MaskRCNN:
    """Build the network of torchvision's `maskrcnn_resnet50_fpn_v2`.

    Its pyramid and heads are batch-normalised, the proposal network's head is two convolutions deep, and the
    box head has four convolutions and one fully connected layer (Li et al., "Benchmarking Detection Transfer
    Learning with Vision Transformers", 2021). Arguments as in `mask_rcnn_resnet50_fpn`.
    """
    norm_layer = partial(nn.BatchNorm2d, eps=norm_eps)
    backbone = BackboneWithFPN(resnet50(norm_layer=norm_layer), norm_layer=norm_layer)
    heads = {"rpn_conv_depth": 2, "box_conv_channels": HEAD_CHANNELS, "head_norm_layer": norm_layer}
    return MaskRCNN(backbone, num_classes, **{**heads, **parameters})


def mask_rcnn_resnet18_fpn(
    num_classes: int,
    *,
    width: int = STEM_WIDTH,
    widest: int | None = None,
    pyramid_channels: int = FPN_CHANNELS,
    norm_eps: float = NORM_EPS,
    **parameters: Any,
) -> MaskRCNN:
    """Build a small Mask R-CNN; slim with a `width` (the stem's channels) and `pyramid_channels` below 64.

    `widest` limits the channels of the ResNet's stages, see `ResNet`. Other arguments as in
    `mask_rcnn_resnet50_fpn`.
    """
    body = resnet18(width=width, widest=widest, norm_layer=partial(nn.BatchNorm2d, eps=norm_eps))
    return MaskRCNN(BackboneWithFPN(body, pyramid_channels), num_classes, **parameters)


def mask_rcnn_mobilenet_v3_large_fpn(
    num_classes: int = COCO_CLASSES, *, norm_eps: float = NORM_EPS, **parameters: Any
) -> MaskRCNN:
    """Build Mask R-CNN on MobileNetV3-Large and FPN, as torchvision's `fasterrcnn_mobilenet_v3_large_fpn`.

    The pyramid stands on the backbone's last two maps, both at stride 32, so regions are always pooled from
    the first, and each level carries all five anchor sizes. Arguments as in `mask_rcnn_resnet50_fpn`.
    """
    body = MobileNetV3Large(norm_layer=partial(nn.BatchNorm2d, eps=norm_eps))
    last = len(body.channels) - 1
    backbone = BackboneWithFPN(body, levels=(last - 1, last))
    defaults = {"anchor_sizes": MOBILENET_ANCHOR_SIZES, "rpn_score_threshold": MOBILENET_RPN_SCORE_THRESHOLD}
    return MaskRCNN(backbone, num_classes, **{**defaults, **parameters})

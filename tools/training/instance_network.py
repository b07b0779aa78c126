"""Build the demo's Mask R-CNN from torchvision's parts around our backbone, so that it can be trained.

The state dict is the one of `edgeseg.models.mask_rcnn`; edgeseg's own network is made for inference alone.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import nullcontext
from typing import Any

from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from edgeseg.models.fpn import BackboneWithFPN
from edgeseg.models.mask_rcnn import ASPECT_RATIOS
from edgeseg.models.network import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edgeseg.models.resnet import resnet18
from edgeseg.models.zoo import DEMO_MASK_RCNN
from tools.training.fitting import mixed_precision

BOX_POOL, MASK_POOL, SAMPLING_RATIO = 7, 14, 2

# Only the losses see these: fewer samples than torchvision's defaults, because the scenes are small.
TRAIN_PROPOSALS_PER_LEVEL, TRAIN_PROPOSALS = 300, 100
RPN_SAMPLES, BOX_SAMPLES = 96, 48


class _Pyramid(BackboneWithFPN):
    """Our backbone with torchvision's answer: a dict of named maps.

    Attributes:
        pixels: the last images, normalised; (N, 3, H, W).
        maps: what came of them, finest first, for losses of their own.
    """

    pixels: Tensor
    maps: list[Tensor]

    def forward(self, image: Tensor) -> OrderedDict[str, Tensor]:  # type: ignore[override]
        with mixed_precision() if self.training else nullcontext():
            maps = super().forward(image)
        self.pixels, self.maps = image, [level.float() for level in maps]
        return OrderedDict(zip(("0", "1", "2", "3", "pool"), self.maps, strict=True))


class _Unresized(GeneralizedRCNNTransform):  # type: ignore[misc]  # torchvision ships no types
    """torchvision's normalisation and padding alone: the anchors fit the frames at their own size."""

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


def trainable_mask_rcnn(num_classes: int, **parameters: Any) -> MaskRCNN:
    """Make the network with random weights.

    Args:
        num_classes: background included.
        parameters: in place of those of DEMO_MASK_RCNN.
    """
    same = {**DEMO_MASK_RCNN, **parameters}
    channels = same["pyramid_channels"]
    anchor_sizes, representation = same["anchor_sizes"], same["representation_size"]
    levels = ["0", "1", "2", "3"]
    network = MaskRCNN(
        _Pyramid(resnet18(width=same["width"], widest=same["widest"]), channels),
        rpn_anchor_generator=AnchorGenerator(anchor_sizes, (ASPECT_RATIOS,) * len(anchor_sizes)),
        rpn_pre_nms_top_n_train=TRAIN_PROPOSALS_PER_LEVEL,
        rpn_pre_nms_top_n_test=same["rpn_pre_nms"],
        rpn_post_nms_top_n_train=TRAIN_PROPOSALS,
        rpn_post_nms_top_n_test=same["rpn_post_nms"],
        rpn_batch_size_per_image=RPN_SAMPLES,
        rpn_fg_iou_thresh=0.6,
        box_roi_pool=MultiScaleRoIAlign(levels, BOX_POOL, SAMPLING_RATIO),
        box_head=TwoMLPHead(channels * BOX_POOL**2, representation),
        box_predictor=FastRCNNPredictor(representation, num_classes),
        box_detections_per_img=same["detections_per_image"],
        box_batch_size_per_image=BOX_SAMPLES,
        mask_roi_pool=MultiScaleRoIAlign(levels, MASK_POOL, SAMPLING_RATIO),
        mask_head=MaskRCNNHeads(channels, same["mask_channels"], 1),
        mask_predictor=MaskRCNNPredictor(
            same["mask_channels"][-1], same["mask_hidden_channels"], num_classes
        ),
    )
    network.transform = _Unresized(0, 0, IMAGENET_MEAN_RGB, IMAGENET_STD_RGB)
    return network

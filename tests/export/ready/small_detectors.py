"""Detectors in a few nodes, whose outputs have the forms that the field's exports give them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

Form = Literal["torchvision", "detectron2", "mmdetection"]
NAMES = {
    "torchvision": ["boxes", "labels", "scores", "masks"],
    "detectron2": ["pred_boxes", "pred_classes", "pred_masks", "scores"],
    "mmdetection": ["dets", "labels", "masks"],
}
FOUND = 3


class SmallDetector(nn.Module):
    """Always three objects, whose scores and masks depend on the image."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.form = form
        self.head = nn.Conv2d(3, FOUND, 3, padding=1)
        boxes = torch.tensor([[4.0, 3.0, 28.0, 23.0], [10.0, 8.0, 40.0, 30.0], [1.5, 2.5, 12.5, 20.5]])
        self.register_buffer("boxes", boxes)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Take (1, 3, H, W), or (3, H, W) in torchvision's form."""
        if self.form == "torchvision":
            image = image[None]
        planes = self.head(image)[0]  # (3, H, W)
        scores = planes.mean(dim=(1, 2)).sigmoid() * 0.5 + 0.5
        labels = torch.arange(FOUND)
        if self.form == "torchvision":
            return self.boxes * 1.0, labels + 1, scores, planes.sigmoid()[:, None]
        if self.form == "detectron2":
            return self.boxes * 1.0, labels, planes[:, None, :28, :28].sigmoid(), scores
        return torch.cat([self.boxes, scores[:, None]], dim=1)[None], labels[None], planes[None] > 0


class _TwoLevels(nn.Module):
    """Features at a quarter and an eighth of the image."""

    out_channels = 8

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 4, stride=4)
        self.second = nn.Conv2d(8, 8, 2, stride=2)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Give both by name."""
        first = self.first(image)
        return {"0": first, "1": self.second(first.relu())}


def torchvision_detector(classes: int) -> MaskRCNN:
    """Give a small Mask R-CNN of torchvision's own, whose scores are well apart."""
    torch.manual_seed(3)
    detector = MaskRCNN(
        _TwoLevels(),
        min_size=64,
        max_size=64,
        rpn_anchor_generator=AnchorGenerator(((12,), (24,)), ((0.5, 1.0, 2.0),) * 2),
        box_roi_pool=MultiScaleRoIAlign(["0", "1"], 7, 2),
        box_head=TwoMLPHead(8 * 7 * 7, 32),
        box_predictor=FastRCNNPredictor(32, classes),
        mask_roi_pool=MultiScaleRoIAlign(["0", "1"], 14, 2),
        mask_head=MaskRCNNHeads(8, (8,), 1),
        mask_predictor=MaskRCNNPredictor(8, 8, classes),
        box_detections_per_img=10,
        rpn_post_nms_top_n_test=40,
    )
    with torch.no_grad():
        for weight in (
            detector.rpn.head.cls_logits.weight,
            detector.rpn.head.bbox_pred.weight,
            detector.roi_heads.box_predictor.cls_score.weight,
        ):
            weight.mul_(10)
    return detector.eval()

"""Detectors in a few nodes, whose outputs have the forms that the field's exports give them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

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

"""Turn a trained PyTorch network into its accuracy on scenes, before anything is exported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from pycocotools import mask as rle
from torch import nn
from torchvision.models.detection import MaskRCNN

from edgeseg.metrics.average_precision import average_precision
from edgeseg.metrics.confusion import confusion_matrix, mean_iou
from edgeseg.models.network import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edgeseg.scenes.scene import CLASS_NAMES, Scene
from tools.training.datasets import image_tensor

MASK_THRESHOLD = 0.5


@torch.inference_mode()
def semantic_accuracy(network: nn.Module, scenes: Sequence[Scene]) -> dict[str, float]:
    """Measure `miou` of a network that turns (1, 3, H, W) into logits (1, C, h, w)."""
    mean = torch.tensor(IMAGENET_MEAN_RGB)[:, None, None]
    std = torch.tensor(IMAGENET_STD_RGB)[:, None, None]
    predicted = []
    for scene in scenes:
        logits = network(((image_tensor(scene.image) - mean) / std)[None])
        logits = F.interpolate(logits, size=scene.labels.shape, mode="bilinear", align_corners=False)
        predicted.append(logits[0].argmax(dim=0).numpy().astype(np.uint8))
    truth = np.stack([scene.labels for scene in scenes])
    return {"miou": mean_iou(confusion_matrix(truth, np.stack(predicted), len(CLASS_NAMES)))}


@torch.inference_mode()
def instance_accuracy(network: MaskRCNN, scenes: Sequence[Scene]) -> dict[str, float]:
    """Measure `box_ap50` and `mask_ap50` of torchvision's Mask R-CNN."""
    results = []
    for scene in scenes:
        found = network([image_tensor(scene.image)])[0]
        masks = found["masks"][:, 0].numpy() >= MASK_THRESHOLD  # (D, H, W)
        rows = zip(
            found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), masks, strict=True
        )
        results.append(
            [
                {
                    "category_id": class_id,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": score,
                    "segmentation": rle.encode(np.asfortranarray(mask, np.uint8)),
                }
                for (x1, y1, x2, y2), class_id, score, mask in rows
            ]
        )
    return {
        "box_ap50": average_precision(results, scenes, "box"),
        "mask_ap50": average_precision(results, scenes, "mask"),
    }
